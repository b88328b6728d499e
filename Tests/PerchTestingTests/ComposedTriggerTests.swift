// SPDX-License-Identifier: Apache-2.0

import Perch
import PerchMetastore
import PerchSDK
import PerchTesting
import Testing

/// A user's own trigger: an event, or a file that says the same.
private struct OrderPaid: Trigger {
    struct Event: Codable, Sendable, Hashable {
        var order: String
        var way: String
    }

    let id: String

    var body: some Trigger<EitherEvent<ExternalEvent, FileEvent>> {
        EventTrigger(name: "orders.paid", key: id).or(FileTrigger(path: "/paid/\(id)"))
    }

    func event(from event: EitherEvent<ExternalEvent, FileEvent>) -> Event {
        switch event {
        case .first(let event): Event(order: event.key ?? "", way: "event")
        case .second(let file): Event(order: id, way: file.path)
        }
    }

    var problems: [String] { id.isEmpty ? ["an order has an id"] : [] }
}

/// One without an event of its own, made of one that has.
private struct Settled: Trigger {
    let id: String
    var body: some Trigger<OrderPaid.Event> { OrderPaid(id: id) }
}

/// What is wrong here is wrong in the body.
private struct Nameless: Trigger {
    var body: some Trigger { EventTrigger(name: "") }
}

@Suite("Triggers made of others", .timeLimit(.minutes(1)))
struct ComposedTriggerTests {
    @Test("a sensor of a user's own trigger gives that trigger's event to those who take it as an input")
    func sensor() async throws {
        let dag = DAG("orders", params: ["order": "7"]) { dag in
            let paid = dag.sensor("paid", OrderPaid(id: "{{ params.order }}"))
            dag.task("ship", paid) { _, event in "\(event.order) by \(event.way)" }
            dag.task("maybe", paid.optional) { _, event in event?.way ?? "none" }
        }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("orders")
        try await tester.crash()
        try await tester.emit("orders.paid", key: "8")
        try await tester.emit("orders.paid", key: "7")
        try await tester.finish(atMost: .minutes(1))
        #expect(try await tester.output(of: "ship", as: String.self, in: run) == "7 by event")
        #expect(try await tester.output(of: "maybe", as: String.self, in: run) == "event")
        await tester.close()
    }

    @Test("the instances of a mapped sensor give the trigger's own events, to one task and to each of another map")
    func mapped() async throws {
        let dag = DAG("orders") { dag in
            let orders = dag.task("orders") { _ in ["7", "8"] }
            let paid = dag.sensor("paid", OrderPaid(id: "{{ element }}"), over: orders)
            dag.task("all", paid) { _, events in events.map { "\($0.order) by \($0.way)" } }
            dag.task("some", paid.optionalElements()) { _, events in events.map { $0?.way ?? "none" } }
            dag.map("each", over: paid) { _, event in event.way + "!" }
            dag.task("begins", paid, startFrom: OrderPaid(id: "9")) { _, own, others in own.order + others[1].order }
        }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("orders")
        try await tester.settle()
        for key in ["8", "7", "9"] { try await tester.emit("orders.paid", key: key) }
        try await tester.finish(atMost: .minutes(1))
        #expect(try await tester.output(of: "all", as: [String].self, in: run) == ["7 by event", "8 by event"])
        #expect(try await tester.output(of: "some", as: [String].self, in: run) == ["event", "event"])
        #expect(try await tester.output(of: "each", as: String.self, in: run, mapIndex: 1) == "event!")
        #expect(try await tester.output(of: "begins", as: String.self, in: run) == "98")
        await tester.close()
    }

    @Test("an instance without an event is nil among the others")
    func mappedWithout() async throws {
        let dag = DAG("orders") { dag in
            let orders = dag.task("orders") { _ in ["7", "8"] }
            let paid = dag.sensor("paid", OrderPaid(id: "{{ element }}"), over: orders, timeout: .hours(1), retries: 0)
            dag.task("some", paid.optionalElements(), triggerRule: .allDone) { _, events in
                events.map { $0?.order ?? "none" }
            }
        }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("orders")
        try await tester.settle()
        try await tester.emit("orders.paid", key: "8")
        try await tester.finish(atMost: .hours(2))
        #expect(try await tester.output(of: "some", as: [String].self, in: run) == ["none", "8"])
        await tester.close()
    }

    @Test("a task waits for one alone, in a pair, in wait(forAny:) and for one that is made of another")
    func waits() async throws {
        let dag = DAG("orders") { dag in
            dag.task("all") { context -> [String] in
                let alone = try await context.wait(for: OrderPaid(id: "1"))
                let pair = try await context.wait(for: OrderPaid(id: "2").or(.after(.days(1))))
                guard case .first(let first) = pair else { return [] }
                let (second, _) = try await context.wait(forAny: Settled(id: "3"), .after(.days(1)))
                let both = try await context.wait(for: Settled(id: "4").and(OrderPaid(id: "5")))
                let none = OrderPaid.Event(order: "-", way: "-")
                return [alone, first, second ?? none, both.first, both.second].map { "\($0.order) \($0.way)" }
            }
        }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("orders")
        for id in 1...5 {
            try await tester.settle()
            if id == 3 {
                try await tester.files.write("/paid/3", "yes")
                try await tester.advance(by: .minutes(1))
            } else {
                try await tester.emit("orders.paid", key: "\(id)")
            }
        }
        try await tester.finish(atMost: .minutes(1))
        let seen = try await tester.output(of: "all", as: [String].self, in: run)
        #expect(seen == ["1 event", "2 event", "3 /paid/3", "4 event", "5 event"])
        await tester.close()
    }

    @Test("what is stored is of the kind of the body, and names the type beside it")
    func stored() throws {
        let spec = try TriggerSpec(Settled(id: "1"))
        #expect(spec.kind == "composite")
        #expect(spec.target == "any of (event orders.paid/1, file /paid/1)")
        let plain = try TriggerSpec(Once())
        #expect(plain.kind == "event" && plain.target == "a")
        #expect(plain.definition["$composed_by"] == "Once")
    }

    private struct Once: Trigger {
        var body: some Trigger { EventTrigger(name: "a") }
    }

    @Test("what is wrong with it, or with what it is made of, is said where it is declared and where it is waited for")
    func problems() async throws {
        let declared = DAG("orders") { dag in
            dag.sensor("own", OrderPaid(id: ""))
            dag.sensor("body", Nameless())
        }
        #expect(declared.problems.contains { $0.description.contains("sensor 'own': an order has an id") })
        #expect(declared.problems.contains { $0.description.contains("sensor 'body': an event has a name") })
        let tester = try DAGTester(
            dags: DAG("late") { dag in dag.task("wait") { context in _ = try await context.wait(for: Nameless()) } })
        let run = try await tester.trigger("late")
        try await tester.finish(atMost: .minutes(1))
        #expect(try await tester.state(of: run) == .failed)
        let lines = try await tester.log(of: "wait", in: run)
        #expect(lines.contains { $0.message.contains("an event has a name") })
        await tester.close()
    }
}
