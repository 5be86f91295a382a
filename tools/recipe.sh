#!/bin/sh
# What the recipes of the paper's tables and figures share; they read it, it does nothing by itself.
#
#   --scale STEPS     environment steps of each training run (2,000,000; the paper's took 4e10)
#   --trials N        trials of each policy in simulation (100, as in the paper)
#   --robot-trials N  trials of each policy on the twin (10, as in the paper)
#   --runs FOLDER     where everything is kept (runs/paper); started again, a recipe goes on where it was left
#
# The environment's DEXCTL_SET changes keys of every profile, and WORKERS says how many rollout workers run (2).
set -eu

SCALE=2000000 TRIALS=100 ROBOT_TRIALS=10 RUNS=runs/paper

# begin TITLE OPTIONS...: reads the options and says at what scale the output stands.
begin() {
    title=$1
    shift
    # The recipe's own header, then the options that all recipes have.
    case ${1:-} in -h | --help)
        sed -n '2,/^[^#]/{/^# shellcheck/d;s/^#\( \|$\)//p;}' "$0"
        sed -n '3,/^[^#]/s/^#\( \|$\)//p' "$(dirname "$0")/recipe.sh"
        exit ;;
    esac
    while [ $# -gt 0 ]; do
        case $# in 1) tell "$1: give a value"; exit 64 ;; esac
        case $1 in
        --scale) SCALE=$2 ;;
        --trials) TRIALS=$2 ;;
        --robot-trials) ROBOT_TRIALS=$2 ;;
        --runs) RUNS=$2 ;;
        *) tell "$1: an option is --scale, --trials, --robot-trials or --runs"; exit 64 ;;
        esac
        shift 2
    done
    case $SCALE$TRIALS$ROBOT_TRIALS in *[!0-9]*) tell "scale and trials are whole numbers"; exit 64 ;; esac
    cd "$(dirname "$0")/.."
    PATH=$(tools/environment):$PATH
    export PATH
    mkdir -p "$RUNS"
    printf '%s\n%s: %s environment steps a training run, where the paper had 4e10. What follows stands at that scale.\n' \
        "$title" "$(date -u +%F)" "$SCALE"
    [ -z "${DEXCTL_SET:-}" ] || printf 'With DEXCTL_SET=%s\n' "$DEXCTL_SET"
}

tell() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }
heading() { printf '\n== %s\n' "$*"; }
run() { printf '%s/%s\n' "$RUNS" "$1"; }

# train NAME PROFILE OPTIONS...: trains a policy up to the scale, or goes on; nothing where it got there before.
train() {
    name=$1 profile=$2
    shift 2
    reached=$(cat "$RUNS/$name.steps" 2>/dev/null || echo 0)
    [ "$reached" -lt "$SCALE" ] || return 0
    tell "training $name with profile $profile up to $SCALE steps"
    dexctl optimize --profile "$profile" --run "$RUNS/$name" --workers "${WORKERS:-2}" --sync --steps "$SCALE" \
        --quiet "$@" >"$RUNS/$name.log"
    echo "$SCALE" >"$RUNS/$name.steps"
}

# on_twin NAME: runs a policy's trials on a served simulation that is not the training's hand, into `recording NAME`.
on_twin() {
    [ ! -e "$(recording "$1")" ] || return 0
    tell "running $1 on the twin"
    rm -rf "$RUNS/twin.endpoint" "$RUNS/twin.zarr"
    dexctl simulate --serve tcp://127.0.0.1:0 --profile robot/twin --rate max \
        --endpoint-file "$RUNS/twin.endpoint" --quiet >"$RUNS/twin.log" &
    robot=$!
    trap 'kill "$robot" 2>/dev/null || true' EXIT
    until [ -s "$RUNS/twin.endpoint" ]; do
        kill -0 "$robot" 2>/dev/null || { tell "the twin did not start, see $RUNS/twin.log"; exit 69; }
        sleep 0.2
    done
    dexctl deploy --robot "$(cat "$RUNS/twin.endpoint")" --profile robot/twin --policy "$RUNS/$1" \
        --trials "$ROBOT_TRIALS" --arm --output "$RUNS/twin.zarr" --timeout 60 --quiet >&2
    kill "$robot"
    wait "$robot" || true
    trap - EXIT
    mv "$RUNS/twin.zarr" "$(recording "$1")"
}

recording() { printf '%s/%s-twin-%s.zarr\n' "$RUNS" "$1" "$SCALE"; }

# draw POLICY NAME STATES OPTIONS...: renders so many states of a policy's play to `pictures NAME`, or goes on.
draw() {
    policy=$1 name=$2 states=$3
    shift 3
    tell "rendering $states states for $name"
    dexctl simulate --profile vision-small --policy "$RUNS/$policy" --states "$states" \
        -o "$RUNS/$name-states-$SCALE.zarr" --quiet >&2
    dexctl render "$RUNS/$name-states-$SCALE.zarr" -o "$(pictures "$name")" "$@" --quiet >&2
}

pictures() { printf '%s/%s-%s.zarr\n' "$RUNS" "$1" "$SCALE"; }

# learn_to_see POLICY: renders what the policy did and trains a pose estimator on it, `eyes POLICY`, or goes on.
learn_to_see() {
    draw "$1" "$1-pictures" "$((SCALE / 100))"
    tell "training a pose estimator"
    dexctl train-vision "$(pictures "$1-pictures")" --run "$(eyes "$1")" \
        --set "vision.training.batches=$((SCALE / 100))" --quiet >&2
}

eyes() { printf '%s/%s-vision-%s\n' "$RUNS" "$1" "$SCALE"; }
