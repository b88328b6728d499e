// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import Testing

@testable import PerchBundle

/// The engine's end of a host, driven by hand.
private final class Engine: @unchecked Sendable {
    // Used by one test at a time, from one thread at a time.
    private let socket: Int32
    private var reader = FrameReader()

    init(_ dags: [DAG]) throws {
        var sockets: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &sockets) == 0)
        socket = sockets[0]
        let end = sockets[1]
        Task.detached {
            await BundleHost.run(
                dags: dags, descriptor: end, clock: FixedClock(), bundleVersion: "v1", randomBits: { 4 },
                conduct: .inProcess)
        }
    }

    deinit { close(socket) }

    func send(_ messages: EngineMessage...) throws {
        var writer = FrameWriter()
        for message in messages { try writer.append(message) }
        write(writer.bytes)
    }

    func write(_ bytes: [UInt8]) { _ = Glibc.send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

    /// The next message that is no log line; nil at the end of the stream.
    func next() async throws -> BundleMessage? {
        while true {
            if let fields = try reader.next() {
                let message = try BundleMessage(fields)
                if case .log = message { continue }
                return message
            }
            let bytes = await withCheckedContinuation { continuation in
                Thread.detachNewThread { [socket] in
                    var bytes = [UInt8](repeating: 0, count: 65_536)
                    let count = read(socket, &bytes, bytes.count)
                    continuation.resume(returning: Array(bytes[..<max(0, count)]))
                }
            }
            if bytes.isEmpty { return nil }
            bytes.withUnsafeBytes { reader.append($0) }
        }
    }

    func run(
        _ taskID: String, dispatch: Int64 = 1, journal: [RecordedEntry] = [], cancel: CancelNotice? = nil
    ) throws {
        try send(
            .run(
                RunOrder(
                    dispatchID: dispatch, taskInstanceID: 9, taskIndex: 0,
                    facts: AttemptFacts(
                        dagID: "d", runID: "r", taskID: taskID, logicalDate: FixedClock().now,
                        dataIntervalStart: FixedClock().now, dataIntervalEnd: FixedClock().now),
                    journal: journal, cancel: cancel)))
    }
}

@Suite("The bundle's side", .timeLimit(.minutes(1)))
struct BundleHostTests {
    private let dags = [
        DAG("d") { dag in
            dag.task("value") { _ in 7 }
            dag.task("skip") { _ in throw SkipTask("not today") }
            dag.task("steps") { context in
                let one = try await context.step("one") { 1 }
                let two = try await context.scope("s").step("two", keep: .acrossRetries) { 2 }
                try await context.sleep(for: .seconds(5))
                return one + two
            }
            dag.task("twice") { context in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<2 {
                        group.addTask { try await context.step("same") { try await Task.sleep(for: .seconds(60)) } }
                    }
                    try await group.next()
                }
            }
            dag.task("swallow") { context in
                do { try await context.sleep(for: .seconds(5)) } catch { return 1 }
                return 2
            }
            dag.task("kill", hasOnKill: true) { context in
                context.onKill { try await context.step("first to be registered") {} }
                context.onKill { try await context.step("second to be registered") {} }
                try await context.sleep(for: .seconds(5))
            }
        }
    ]

    private let notice = CancelNotice(finalState: "failed", reason: "user", by: "ann")

    @Test("it says hello, describes itself, runs, and answers what it does not know")
    func basics() async throws {
        let engine = try Engine(dags)
        try engine.send(.hello(protocolVersion: 1), .describe)
        #expect(
            try await engine.next()
                == .hello(
                    protocolVersion: BundleProtocol.version, bundleVersion: "v1", pid: getpid(),
                    oldestVersion: BundleProtocol.oldestVersion))
        guard case .described(let description) = try await engine.next() else {
            Issue.record("no description")
            return
        }
        #expect(description.problems.isEmpty)
        #expect(try description.dags.map { try DAGDefinition(parsing: $0).dagID } == ["d"])
        try engine.run("value")
        #expect(try await engine.next() == .result(dispatchID: 1, .success(output: "7", items: nil)))
        try engine.run("skip")
        #expect(try await engine.next() == .result(dispatchID: 1, .skipped(message: "not today")))
        try engine.run("nothing")
        guard case .result(1, .failure(let message, false, _)) = try await engine.next() else {
            Issue.record("no failure")
            return
        }
        #expect(message.contains("'nothing'"))
        let text = #"{"type":"sing","song":"x"}"#
        engine.write([0, 0, 0, UInt8(text.utf8.count)] + Array(text.utf8))
        #expect(try await engine.next() == .unknown(messageType: "sing"))
        engine.write([0, 0, 0, 4] + Array("oops".utf8))
        #expect(try await engine.next() == nil)
    }

    @Test("a step is sent and waits for its record; the wait defers; the replay answers from the journal")
    func replay() async throws {
        let engine = try Engine(dags)
        try engine.run("steps")
        #expect(
            try await engine.next()
                == .step(dispatchID: 1, key: "one#0", payload: "1", keep: false, began: FixedClock().now))
        try engine.send(.recorded(dispatchID: 1, key: "one#0"))
        #expect(
            try await engine.next()
                == .step(dispatchID: 1, key: "s/two#0", payload: "2", keep: true, began: FixedClock().now))
        try engine.send(.recorded(dispatchID: 1, key: "s/two#0"))
        guard case .deferred(1, key: "sleep#0", let trigger, nil) = try await engine.next() else {
            Issue.record("not deferred")
            return
        }
        #expect(trigger.kind == "time")
        let payload = trigger.text
        try engine.run(
            "steps", dispatch: 2,
            journal: [
                RecordedEntry(key: "one#0", kind: .step, payload: "10"),
                RecordedEntry(key: "s/two#0", kind: .step, payload: "20"),
                RecordedEntry(key: "sleep#0", kind: .wait, payload: payload, outcome: .event(payload: "null")),
            ])
        #expect(try await engine.next() == .result(dispatchID: 2, .success(output: "30", items: nil)))
    }

    @Test("a refused step ends its dispatch")
    func refused() async throws {
        let engine = try Engine(dags)
        try engine.run("steps")
        _ = try await engine.next()
        try engine.send(.refused(dispatchID: 1))
        #expect(try await engine.next() == .result(dispatchID: 1, .cancelled))
    }

    @Test("two steps of one name at once fail, and so does a swallowed suspension")
    func mistakes() async throws {
        let engine = try Engine(dags)
        for (task, words) in [("twice", "'same'"), ("swallow", "caught its Suspension")] {
            try engine.run(task)
            guard case .result(1, .failure(let message, false, _)) = try await engine.next() else {
                Issue.record("no failure")
                return
            }
            #expect(message.contains(words))
        }
    }

    @Test("a dispatch to clean up replays, and runs onKill with the last registered first")
    func cleanUp() async throws {
        let engine = try Engine(dags)
        let trigger = TriggerSpec.time(.after(.seconds(5))).text
        try engine.run(
            "kill",
            journal: [RecordedEntry(key: "sleep#0", kind: .wait, payload: trigger, outcome: .cancelled(notice))],
            cancel: notice)
        for name in ["second", "first"] {
            let key = "\(name) to be registered#0"
            #expect(
                try await engine.next()
                    == .step(dispatchID: 1, key: key, payload: "null", keep: false, began: FixedClock().now))
            try engine.send(.recorded(dispatchID: 1, key: key))
        }
        #expect(try await engine.next() == .result(dispatchID: 1, .cancelled))
    }

    @Test("a drained host ends after its last dispatch")
    func drain() async throws {
        let engine = try Engine(dags)
        try engine.run("value")
        try engine.send(.drain)
        #expect(try await engine.next() == .result(dispatchID: 1, .success(output: "7", items: nil)))
        #expect(try await engine.next() == nil)
    }
}
