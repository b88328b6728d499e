// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchReactor
import PerchSDK
import PerchTriggersTestSupport
import PerchTriggersTime
import Synchronization
import Testing

struct TimeTriggerTests {
    private func trigger<T: Trigger>(_ trigger: T) -> T { trigger }

    @Test("Every way of writing an instant gives the same due instant")
    func instants() {
        let text: TimeTrigger = trigger(.at("2026-01-01T06:00:00Z"))
        #expect(text.due == .at("2026-01-01T06:00:00Z"))
        #expect(trigger(.at(Timestamp(microseconds: 1_767_247_200_000_000))) == text)
        #expect(trigger(.at(Date(timeIntervalSince1970: 1_767_247_200))) == text)
        #expect(trigger(.after(.hours(2))).due == .after(.seconds(7_200)))
        #expect(text.target == "2026-01-01T06:00:00Z")
    }

    @Test("A trigger survives being stored")
    func coding() throws {
        for trigger in [TimeTrigger(.at("{{ ts }}")), TimeTrigger(.after(.seconds(5)))] {
            #expect(try TriggerSpec(trigger).trigger(as: TimeTrigger.self) == trigger)
        }
        let event = try JSONValue(parsing: #"{"due_at": 17}"#).decode(TimeEvent.self)
        #expect(event.dueAt.microseconds == 17)
    }

    @Test("What is no instant is a problem at declaration; a template is not looked at yet")
    func problems() {
        #expect(trigger(.at("tomorrow")).problems.count == 1)
        #expect(trigger(.at("{{ data_interval_end }}")).problems.isEmpty)
        #expect(trigger(.after(.seconds(-1))).problems.count == 1)
        #expect(trigger(.after(.zero)).problems.isEmpty)
    }
}

@Suite(.timeLimit(.minutes(1)))
struct TimeSourceTests {
    private static func wait(_ id: Int64, due: Int64) -> ArmedWait {
        ArmedWait(
            waitID: id, kind: "time", target: "t", due: Timestamp(microseconds: due), since: Timestamp(microseconds: 0))
    }

    private func bench(now: @escaping @Sendable () -> Int64 = ThreadReactor.wallClock) async throws -> SourceBench<
        TimeSource
    > {
        try await SourceBench(now: now) { loop, report in TimeSource(loop: loop, report: report) }
    }

    @Test("Waits fire in the order of their instants, each with its own")
    func order() async throws {
        let bench = try await bench()
        defer { bench.end() }
        let now = ThreadReactor.wallClock()
        try await bench.add([
            Self.wait(1, due: now + 30_000), Self.wait(2, due: now + 10_000), Self.wait(3, due: now - 5),
            Self.wait(4, due: now + 3_600_000_000),
        ])
        try await bench.untilFired(3)
        #expect(bench.fired == [3, 2, 1])
        #expect(bench.payload(of: 2) == .object(["due_at": .integer(now + 10_000)]))
        #expect(ThreadReactor.wallClock() >= now + 30_000)
    }

    @Test("A removed wait does not fire")
    func removal() async throws {
        let bench = try await bench()
        defer { bench.end() }
        let now = ThreadReactor.wallClock()
        try await bench.on { source, _ in
            source.add([Self.wait(1, due: now + 10_000), Self.wait(2, due: now + 12_000)])
            source.remove(1)
            source.remove(77)
        }
        try await bench.untilFired(1)
        #expect(bench.fired == [2])
        #expect(try await bench.on { source, _ in source.explain(1) == nil })
    }

    @Test("A wait without an instant is broken, and says so")
    func broken() async throws {
        let bench = try await bench()
        defer { bench.end() }
        try await bench.add([
            ArmedWait(waitID: 9, kind: "time", target: "never", since: Timestamp(microseconds: 0))
        ])
        #expect(bench.reports == [.broken(waitID: 9, message: "the time wait for never has no instant")])
    }

    @Test("A jump of the clock ahead fires what it passes; a jump back makes waits last")
    func jumps() async throws {
        let offset = Mutex<Int64>(0)
        let bench = try await bench { ThreadReactor.wallClock() + offset.withLock { $0 } }
        defer { bench.end() }
        let now = ThreadReactor.wallClock()
        try await bench.add([Self.wait(1, due: now + 3_600_000_000), Self.wait(2, due: now + 7_200_000_000)])
        offset.withLock { $0 = 3_600_000_000 }
        try await bench.untilFired(1)
        #expect(bench.fired == [1])
        offset.withLock { $0 = -3_600_000_000 }
        try await bench.add([Self.wait(3, due: now + 1_000)])
        try await bench.pass(.milliseconds(20))
        #expect(bench.fired == [1])
        offset.withLock { $0 = 7_200_000_000 }
        try await bench.untilFired(3)
        #expect(bench.fired == [1, 3, 2])
    }

    @Test("A million waits are held, and those of one instant fire in batches")
    func million() async throws {
        let bench = try await bench()
        defer { bench.end() }
        let now = ThreadReactor.wallClock()
        let count = try await bench.on { source, _ in
            for chunk in 0..<100 as Range<Int64> {
                source.add(
                    (0..<10_000 as Range<Int64>).map { index in
                        let id = chunk * 10_000 + index
                        return Self.wait(id, due: id % 20 == 0 ? now + 1_000 : now + 86_400_000_000 + id)
                    })
            }
            return source.gauges[0].value
        }
        // Due ones fire only when the loop gets to them.
        #expect(count == 1_000_000)
        try await bench.untilFired(50_000)
        #expect(bench.fired == stride(from: 0, to: 1_000_000, by: 20).map { Int64($0) })
        #expect(try await bench.on { source, _ in source.gauges[0].value } == 950_000)
        let explanation = try await bench.on { source, _ in source.explain(1) }
        #expect(explanation?.sharing == 950_000)
        #expect(explanation?.sentences.first?.hasPrefix("Waits until ") == true)
    }
}
