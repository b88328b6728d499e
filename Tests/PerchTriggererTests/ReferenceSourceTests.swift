// SPDX-License-Identifier: Apache-2.0

import PerchReactor
import PerchSDK
import PerchTriggersTestSupport
import Synchronization
import Testing

@testable import PerchTriggerer

/// Fires each wait with what its reference stands for, or breaks it where it stands for nothing.
private final class EchoSource: TriggerSource {
    let kinds = ["echo"]
    let gauges: [(name: String, value: Int)] = []
    private let known: KnownSecrets
    private let report: (SourceReport) -> Void
    private var held: Set<Int64> = []

    init(_ known: KnownSecrets, _ report: @escaping (SourceReport) -> Void) {
        self.known = known
        self.report = report
    }

    func add(_ waits: [ArmedWait]) {
        for wait in waits {
            guard case .string(let name)? = wait.definition["secret"] else {
                report(.fired(waitID: wait.waitID, payload: "plain"))
                continue
            }
            if let text = known.secret(name) {
                report(.fired(waitID: wait.waitID, payload: .string(text)))
            } else {
                report(.broken(waitID: wait.waitID, message: "needs \(known.place(of: name)), which is not set"))
            }
        }
    }
    func remove(_ waitID: Int64) {}
    func explain(_ waitID: Int64) -> WaitExplanation? { nil }
    func probeNow(_ waitID: Int64, done: @escaping () -> Void) { done() }
    func shutDown() {}
}

/// A desk that answers when it is let, and counts who asks.
private final class SlowDesk: SecretDesk {
    struct State {
        var isOpen = false
        var waiting: [CheckedContinuation<Void, Never>] = []
        var asked: [SecretName] = []
        var answers: [SecretName: Result<FoundSecret?, PerchError>] = [:]
    }
    let state = Mutex(State())

    init(_ answers: [SecretName: Result<FoundSecret?, PerchError>]) { state.withLock { $0.answers = answers } }

    func find(_ name: SecretName) async throws -> FoundSecret? {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                state.asked.append(name)
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
        return try state.withLock { $0.answers[name] ?? .success(nil) }.get()
    }

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}

@Suite("Waits that refer to secrets", .timeLimit(.minutes(1))) struct ReferenceSourceTests {
    private final class Door: Sendable {
        let reactor = Mutex<ThreadReactor?>(nil)
    }

    private func bench(_ desk: SlowDesk) async throws -> SourceBench<ReferenceSource> {
        let door = Door()
        let bench = try await SourceBench { loop, report in
            let known = KnownSecrets()
            return ReferenceSource(
                before: EchoSource(known, report), known: known, desk: desk, loop: loop,
                enter: { action in door.reactor.withLock { $0 }?.submit(action) },
                pause: TimeSpan(microseconds: 20_000), report: report)
        }
        door.reactor.withLock { $0 = bench.reactor }
        return bench
    }

    private func wait(_ id: Int64, _ secret: String?) -> ArmedWait {
        ArmedWait(
            waitID: id, kind: "echo", target: "t\(id)", definition: secret.map { ["secret": .string($0)] } ?? [:],
            since: Timestamp(microseconds: 0))
    }

    @Test("are handed on when all that they refer to is known; others go through at once, and one look serves many")
    func handsOn() async throws {
        let desk = SlowDesk([
            SecretName(.connection, "orders"): .success(
                .connection(Connection(type: "a", login: "me", password: "pw"))),
            SecretName(.secret, "T"): .success(.secret("t")),
        ])
        let bench = try await bench(desk)
        defer { bench.end() }
        try await bench.add([
            wait(1, "conn:orders.password"), wait(2, nil), wait(3, "conn:orders.login"), wait(4, "T"), wait(5, "T"),
        ])
        #expect(bench.fired == [2])
        try await bench.on { source, _ in
            let explained = source.explain(1)?.sentences.joined() ?? ""
            #expect(explained.contains("the connection 'orders' is being looked up"))
            #expect(source.gauges.contains { $0.name == "echo_unresolved" && $0.value == 4 })
            source.remove(5)
        }
        desk.open()
        try await bench.untilFired(4)
        #expect(bench.payload(of: 1) == "pw" && bench.payload(of: 3) == "me" && bench.payload(of: 4) == "t")
        #expect(desk.state.withLock { $0.asked.count } == 2)
        // What was just found counts for the next wait, too.
        try await bench.add([wait(6, "conn:orders.password")])
        #expect(bench.payload(of: 6) == "pw")
        #expect(Set(bench.fired) == [1, 2, 3, 4, 6])
    }

    @Test("are broken with the place where there is nothing, and with the reason where it stays wrong") func broken()
        async throws
    {
        let desk = SlowDesk([
            SecretName(.variable, "bad"): .failure(PerchError(.invalid, "the key is another"))
        ])
        desk.open()
        let bench = try await bench(desk)
        defer { bench.end() }
        try await bench.add([wait(1, "NONE"), wait(2, "var:bad"), wait(3, "conn:none.password")])
        try await bench.until("three are broken") { $0.count == 3 }
        let words = Dictionary(
            uniqueKeysWithValues: bench.reports.compactMap { report -> (Int64, String)? in
                if case .broken(let id, let message) = report { (id, message) } else { nil }
            })
        #expect(words[1]?.contains("PERCH_SECRET_NONE") == true && words[2]?.contains("the key is another") == true)
        #expect(words[3]?.contains("conn:none.password") == true)
    }

    @Test("wait on while a place cannot be asked, which is asked again; an overdue probe does not wait") func away()
        async throws
    {
        let name = SecretName(.secret, "T")
        let desk = SlowDesk([name: .failure(PerchError(.unavailable, "the disk is away"))])
        desk.open()
        let bench = try await bench(desk)
        defer { bench.end() }
        try await bench.add([wait(1, "T")])
        let told = Mutex(false)
        try await bench.on { source, _ in source.probeNow(1) { told.withLock { $0 = true } } }
        try await bench.untilSource("the probe is over") { _ in told.withLock { $0 } }
        try await bench.untilSource("the fault is told") {
            $0.explain(1)?.sentences.joined().contains("the disk is away") == true
        }
        #expect(bench.reports.isEmpty)
        desk.state.withLock { $0.answers[name] = .success(.secret("t")) }
        try await bench.untilFired(1)
        #expect(bench.payload(of: 1) == "t")
    }
}
