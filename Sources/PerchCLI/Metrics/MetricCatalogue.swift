// SPDX-License-Identifier: Apache-2.0

internal import PerchMetrics

/// Every metric of an engine. The page `Metrics` of the documentation has the same table, and a test holds them together.
///
/// Values of labels come from short lists (kinds, states, roles): never from names of DAGs, tasks, runs or targets, of
/// which a home has any number.
enum MetricCatalogue {
    static let all: [MetricDescription] = [
        MetricDescription(
            "perch_commit_duration_seconds", "From BEGIN until COMMIT has returned, for each group.",
            .histogram(MetricDescription.seconds)),
        MetricDescription(
            "perch_commit_members", "Transactions that one COMMIT held.", .histogram(MetricDescription.sizes)),
        MetricDescription(
            "perch_commits_total", "Groups that were committed, or lost as a whole.", .counter, labels: ["result"]),
        MetricDescription(
            "perch_doorbells_total", "Doorbells heard, of this process and of commands on its home.", .counter,
            labels: ["bell"]),
        MetricDescription(
            "perch_events_accepted_total", "External events taken into the inbox; duplicates are not counted.", .counter
        ),
        MetricDescription(
            "perch_fires_uncommitted", "Fires that are not durable yet.", .gauge),
        MetricDescription(
            "perch_leases_lost_total", "Leases on waits that were lost.", .counter),
        MetricDescription(
            "perch_loop_commands_total", "Jobs and actions of other threads that a loop has taken in.", .counter,
            labels: ["loop"]),
        MetricDescription(
            "perch_loop_timer_late_seconds", "How late a loop came to the first of the timers that were due.",
            .histogram(MetricDescription.seconds), labels: ["loop"]),
        MetricDescription(
            "perch_loop_turn_seconds", "How long a turn of a loop took, sleep not counted.",
            .histogram(MetricDescription.seconds), labels: ["loop"]),
        MetricDescription(
            "perch_lost_races_total", "Fires that came after somebody else had ended the wait.", .counter),
        MetricDescription(
            "perch_probe_duration_seconds", "From the start of a probe until its answer was judged.",
            .histogram(MetricDescription.seconds), labels: ["kind"]),
        MetricDescription(
            "perch_probes_total", "Probes made, by what came of them.", .counter, labels: ["kind", "result"]),
        MetricDescription(
            "perch_shards_held", "Shards whose waits this process watches.", .gauge),
        MetricDescription(
            "perch_slots", "Dispatches that may run at once.", .gauge),
        MetricDescription(
            "perch_slots_in_use", "Dispatches that are held.", .gauge),
        MetricDescription(
            "perch_slow_calls_total", "Calls that held the triggerer's thread for more than ten milliseconds.",
            .counter, labels: ["source"]),
        MetricDescription(
            "perch_source_items", "Probes, watches and connections that the sources hold.", .gauge, labels: ["item"]),
        MetricDescription(
            "perch_spans_total", "Spans of traces: sent, dropped where the line was full, or failed at the collector.",
            .counter, labels: ["result"]),
        MetricDescription(
            "perch_task_transitions_total", "Task instances that came into a state.", .counter, labels: ["state"]),
        MetricDescription(
            "perch_threads_held_total",
            "Times that a task held a thread of its process for 10 s, a minute, 6 minutes, ….",
            .counter),
        MetricDescription(
            "perch_timer_lag_seconds", "From the instant at which a time wait was due until its fire was durable.",
            .histogram(MetricDescription.seconds)),
        MetricDescription(
            "perch_waits", "Waits that are watched.", .gauge, labels: ["kind", "state"]),
        MetricDescription(
            "perch_waits_fired_total", "Waits that ended, by how.", .counter, labels: ["kind", "outcome"]),
    ]
}
