// SPDX-License-Identifier: Apache-2.0

import Logging
import PerchSDK
import Synchronization
import Testing

@testable import PerchTriggerer

/// Fires each wait as it comes, and lets time go by on a clock of its own.
private final class SlowSource: TriggerSource {
    let kinds = ["slow"]
    let gauges: [(name: String, value: Int)] = []
    private let pass: () -> Void
    private let report: (SourceReport) -> Void

    init(pass: @escaping () -> Void, report: @escaping (SourceReport) -> Void) {
        self.pass = pass
        self.report = report
    }

    func add(_ waits: [ArmedWait]) {
        pass()
        for wait in waits { report(.fired(waitID: wait.waitID, payload: .null)) }
    }

    func remove(_ waitID: Int64) {}
    func explain(_ waitID: Int64) -> WaitExplanation? { nil }
    func shutDown() {}
}

/// Keeps the lines of a log.
private final class KeptLog: Sendable {
    private let kept = Mutex<[String]>([])

    struct Handler: LogHandler {
        let log: KeptLog
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.warning

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let words = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            log.kept.withLock { $0.append("\(event.message) \(words.joined(separator: " "))") }
        }
    }

    var lines: [String] { kept.withLock { $0 } }
    var logger: Logger { Logger(label: "kept") { _ in Handler(log: self) } }
}

@Suite("Calls that hold the thread", .timeLimit(.minutes(1)))
struct SlowCallTests {
    /// The lines that a triggerer wrote about a source that held it for so long.
    private func lines(heldFor span: Int64) async throws -> [String] {
        let clock = Clock()
        let log = KeptLog()
        let bench = try TriggererBench(uptime: { clock.now }, log: log.logger) { report in
            [SlowSource(pass: { clock.pass(span) }, report: report)]
        }
        await bench.triggerer.start()
        let slow = SensorDefinition(trigger: TriggerSpec(kind: "slow", target: "the far side"), timeout: .seconds(60))
        let run = try await bench.run("d", [slow])
        #expect(try await bench.states(of: run, dagID: "d") == [.success])
        try await bench.end()
        return log.lines.filter { $0.contains("held") }
    }

    private final class Clock: Sendable {
        private let time = Atomic<Int64>(0)
        var now: Int64 { time.load(ordering: .relaxed) }
        func pass(_ span: Int64) { time.wrappingAdd(span, ordering: .relaxed) }
    }

    @Test("A source that holds the thread is named, with the wait, its target and how long")
    func named() async throws {
        let lines = try await lines(heldFor: 25_000)
        #expect(lines.count == 1)
        #expect(lines.first?.contains("call=add held_ms=25 source=slow target=the far side wait_id=") == true)
    }

    @Test("A source that is done in ten milliseconds is not named")
    func quick() async throws {
        #expect(try await lines(heldFor: 10_000).isEmpty)
    }

    @Test("One name stands in the log once in ten seconds, then with what was kept back; others are not held back")
    func rate() {
        var calls = SlowCalls()
        #expect(calls.took(20_000, "file add", at: 0) == .init(count: 1, longest: 20_000))
        #expect(calls.took(90_000, "file add", at: 5_000_000) == nil)
        #expect(calls.took(30_000, "file remove", at: 5_000_000) == .init(count: 1, longest: 30_000))
        #expect(calls.took(30_000, "file add", at: 9_999_999) == nil)
        #expect(calls.took(20_000, "file add", at: 10_000_000) == .init(count: 3, longest: 90_000))
        #expect(calls.took(20_000, "file add", at: 20_000_000) == .init(count: 1, longest: 20_000))
    }
}
