// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import PerchTriggersRun
import Testing

@Suite("Waits for runs: what a user writes, and what the triggerer says of it")
struct RunTriggerTests {
    @Test(
        "The coded form gives the same trigger back",
        arguments: [
            RunTrigger.run(of: "orders"),
            .run(of: "orders", task: "load", mapIndex: 3, which: .offset(.hours(-1)), in: [.success, .skipped]),
            .run(of: "{{ params.dag }}", which: .date("{{ data_interval_end }}"), in: [.failed]),
            .run(of: "orders", which: .id("manual__1"), failingOn: []),
            .run(of: "orders", which: .next, in: [.success, .failed]),
        ])
    func coding(_ trigger: RunTrigger) throws {
        #expect(trigger.problems.isEmpty)
        let spec = try TriggerSpec(trigger)
        #expect(try TriggerSpec(parsing: spec.text).trigger(as: RunTrigger.self) == trigger)
        #expect(spec.kind == "run")
    }

    @Test("The targets name the DAG, the task and the run that is meant")
    func targets() {
        #expect(RunTrigger.run(of: "o").target == "o @ {{ logical_date }}")
        #expect(RunTrigger.run(of: "o", which: .offset(.hours(-1))).target == "o @ {{ logical_date }} -1h")
        #expect(RunTrigger.run(of: "o", task: "t", mapIndex: 2, which: .id("x")).target == "o/t[2] # x")
        #expect(RunTrigger.run(of: "o", task: "t", which: .next).target == "o/t next")
    }

    @Test(
        "What cannot be waited for is said where it is declared",
        arguments: [
            (RunTrigger.run(of: ""), "empty"), (.run(of: "a b"), "holds"),
            (.run(of: "o", mapIndex: 1), "name the task"),
            (.run(of: "o", in: [.skipped]), "a run does not end as skipped; there are failed, success"),
            (.run(of: "o", task: "t", in: [.running]), "a task does not end as running"),
            (.run(of: "o", in: []), "at least one state"), (.run(of: "o", which: .id("")), "run id"),
            (.run(of: "o", which: .date("today")), "today"),
            (.run(of: "o", in: [.failed], failingOn: [.failed]), "both"),
            (.run(of: "o", task: "t", mapIndex: -1), "from 0"),
        ])
    func problems(_ trigger: RunTrigger, _ words: String) {
        #expect(trigger.problems.first?.contains(words) == true, "\(trigger.problems)")
    }

    @Test("The source explains each wait, counts those that share a target and fires nothing")
    func source() throws {
        var reports: [SourceReport] = []
        let source = RunSource { reports.append($0) }
        let spec = try TriggerSpec(RunTrigger.run(of: "orders", task: "load", which: .id("r1")))
        func armed(_ id: Int64) -> ArmedWait {
            ArmedWait(
                waitID: id, kind: "run", target: spec.target, definition: spec.definition,
                since: Timestamp(microseconds: 0))
        }
        source.add([armed(1), armed(2), armed(2)])
        #expect(
            source.explain(1)?.sentences == [
                "Waits until the task 'load' of the run 'r1' of the DAG 'orders' has ended as success; failed or "
                    + "upstream_failed fails the wait.",
                "So do 1 other waits here.",
                "Nothing probes for it: the transaction that stores that end ends the wait.",
            ])
        source.remove(2)
        source.remove(2)
        #expect(source.explain(1)?.sharing == 1 && source.explain(2) == nil)
        #expect(source.gauges.map(\.value) == [1])
        #expect(reports.isEmpty)
        var broken = armed(3)
        broken.definition = .object(["dag_id": .string("o"), "in": .array([.string("done")])])
        source.add([broken])
        #expect(reports.count == 1 && source.explain(3) == nil)
    }
}
