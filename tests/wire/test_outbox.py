from dexctl.wire.messages import SegmentHeader
from dexctl.wire.outbox import Outbox, Outgoing


def filled(count, granted, version=1):
    outbox = Outbox()
    for _ in range(count):
        sequence = outbox.next_sequence()
        header = SegmentHeader(worker="w", sequence=sequence, version=version, environments=1, steps=1, report={})
        outbox.add(Outgoing(header, []))
    outbox.credits = granted
    return outbox


def send_all(outbox):
    sent = []
    while outgoing := outbox.due():
        outbox.mark_sent(outgoing)
        sent.append(outgoing.header.sequence)
    return sent


def test_segments_go_out_in_order_while_there_are_credits():
    outbox = filled(5, granted=3)
    assert send_all(outbox) == [1, 2, 3]
    outbox.credits += 1
    assert send_all(outbox) == [4]


def test_there_is_room_when_a_credit_is_left_over():
    outbox = filled(2, granted=2)
    assert not outbox.room
    outbox.credits += 1
    assert outbox.room


def test_what_did_not_arrive_goes_out_again_and_nothing_else():
    outbox = filled(5, granted=5)
    send_all(outbox)
    outbox.forget([1])
    outbox.resume(received=3, outstanding=[3], granted=4)
    assert outbox.before == 2
    assert send_all(outbox) == [4, 5]


def test_what_another_optimizer_may_have_is_not_sent_to_the_next():
    outbox = filled(4, granted=2)
    send_all(outbox)
    outbox.move()
    assert outbox.before == 2
    outbox.resume(received=2, outstanding=[], granted=4)
    assert send_all(outbox) == [3, 4]


def test_a_new_optimizer_gets_all_that_is_kept():
    outbox = filled(3, granted=3)
    send_all(outbox)
    outbox.forget([1])
    outbox.resume(received=outbox.before, outstanding=[], granted=4)
    assert send_all(outbox) == [2, 3]


def test_experience_of_a_lost_future_is_dropped():
    outbox = filled(3, granted=3, version=5)
    outbox.drop_newer(4)
    assert send_all(outbox) == []
    assert outbox.before == 3
