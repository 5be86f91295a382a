"""The edge towards people, shells and supervisors: events, tables, messages, progress, signals, run folders."""
