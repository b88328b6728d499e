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
        let triggers: [TimeTrigger] = [
            .at("{{ ts }}"), .after(.seconds(5)), .cron("0 6 * * MON", timeZone: "Europe/Paris"),
            .within("22:00", "06:00", days: "MON-FRI", timeZone: "Asia/Tokyo"),
        ]
        for trigger in triggers {
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
        #expect(trigger(.cron("0 6 * * *", timeZone: "Europe/Paris")).problems.isEmpty)
        #expect(trigger(.cron("{{ params.cron }}")).problems.isEmpty)
        for wrong in [
            TimeTrigger.cron("every day"), .cron("0 0 30 2 *"), .cron("0 6 * * *", timeZone: "Europe/Atlantis"),
            .within("25:00", "06:00"), .within("22:00", "6:00"), .within("-1:00", "06:00"), .within("", ""),
            .within("22:00", "06:00", days: "MON FRI"), .within("22:00", "06:00", days: "SOMEDAY"),
            .within("22:00", "06:00", timeZone: "nowhere"),
        ] { #expect(wrong.problems.count == 1, "\(wrong)") }
    }

    private func instant(_ text: String) throws -> Timestamp { try Timestamp(parsing: text) }

    @Test("A cron wait is due at the next tick, on the wall clock of its zone, clock changes included")
    func ticks() throws {
        let daily = DueInstant.tick(cron: "30 2 * * *", timeZone: "Europe/Paris")
        #expect(try daily.instant(from: instant("2026-01-10T00:00:00Z")) == instant("2026-01-10T01:30:00Z"))
        // A wait that is registered at a tick waits for the next one.
        #expect(try daily.instant(from: instant("2026-01-10T01:30:00Z")) == instant("2026-01-11T01:30:00Z"))
        // The wall clock skips 02:30 on 29 March 2026, and has it twice on 25 October.
        #expect(try daily.instant(from: instant("2026-03-28T12:00:00Z")) == instant("2026-03-29T01:00:00Z"))
        #expect(try daily.instant(from: instant("2026-10-24T12:00:00Z")) == instant("2026-10-25T00:30:00Z"))
        #expect(try daily.instant(from: instant("2026-10-25T00:30:00Z")) == instant("2026-10-26T01:30:00Z"))
    }

    @Test(
        "A window is open from its opening to its closing, over midnight too, and belongs to the day of its opening",
        arguments: [
            // 22:00 to 06:00 on weekdays; 2026-01-09 is a Friday.
            ("22:00", "06:00", "MON-FRI", "2026-01-09T21:59:59.999999Z", "2026-01-09T22:00:00Z"),
            ("22:00", "06:00", "MON-FRI", "2026-01-09T22:00:00Z", "2026-01-09T22:00:00Z"),
            ("22:00", "06:00", "MON-FRI", "2026-01-10T05:59:59Z", "2026-01-10T05:59:59Z"),
            ("22:00", "06:00", "MON-FRI", "2026-01-10T06:00:00Z", "2026-01-12T22:00:00Z"),
            ("22:00", "06:00", "MON-FRI", "2026-01-12T03:00:00Z", "2026-01-12T22:00:00Z"),
            ("09:00", "17:00", "*", "2026-01-10T08:00:00Z", "2026-01-10T09:00:00Z"),
            ("09:00", "17:00", "*", "2026-01-10T12:00:00Z", "2026-01-10T12:00:00Z"),
            ("09:00", "17:00", "*", "2026-01-10T17:00:00Z", "2026-01-11T09:00:00Z"),
            // Open the whole day.
            ("00:00", "00:00", "SAT,SUN", "2026-01-11T23:59:00Z", "2026-01-11T23:59:00Z"),
            ("00:00", "00:00", "SAT,SUN", "2026-01-12T00:00:00Z", "2026-01-17T00:00:00Z"),
        ])
    func windows(opens: String, closes: String, days: String, from: String, opening: String) throws {
        let window = TimeWindow(opens: opens, closes: closes, days: days)
        #expect(try window.opening(from: instant(from)) == instant(opening))
    }

    @Test("A window whose opening is skipped in spring opens after the gap")
    func windowInGap() throws {
        let window = TimeWindow(opens: "02:30", closes: "04:00", timeZone: "Europe/Paris")
        #expect(try window.opening(from: instant("2026-03-29T00:59:00Z")) == instant("2026-03-29T01:00:00Z"))
        #expect(try window.opening(from: instant("2026-03-29T01:30:00Z")) == instant("2026-03-29T01:30:00Z"))
        #expect(try window.opening(from: instant("2026-03-29T02:00:00Z")) == instant("2026-03-30T00:30:00Z"))
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

    @Test("A wait that was held up until its window had closed waits for the next one")
    func lateForItsWindow() async throws {
        // Half an hour after the window of 22:00 to 06:00 has closed.
        let morning = try Timestamp(parsing: "2026-01-10T06:30:00Z")
        let offset = Mutex<Int64>(morning.microseconds - ThreadReactor.wallClock())
        let bench = try await bench { ThreadReactor.wallClock() + offset.withLock { $0 } }
        defer { bench.end() }
        let trigger = TimeTrigger.within("22:00", "06:00")
        let definition = try TriggerSpec(trigger).definition
        let night = try Timestamp(parsing: "2026-01-09T22:00:00Z")
        try await bench.add([
            ArmedWait(
                waitID: 1, kind: "time", target: trigger.target, due: night, definition: definition,
                since: Timestamp(microseconds: 0)),
            ArmedWait(
                waitID: 2, kind: "time", target: "t", due: night, since: Timestamp(microseconds: 0)),
        ])
        try await bench.untilFired(1)
        #expect(bench.fired == [2])
        let explanation = try await bench.on { source, _ in source.explain(1) }
        #expect(explanation?.sentences.first == "Its window is 22:00 to 06:00 (UTC).")
        #expect(explanation?.sentences[1].hasPrefix("Waits until 2026-01-10T22:00:00Z") == true)
        offset.withLock { $0 += 16 * 3_600_000_000 }
        try await bench.untilFired(2)
        #expect(bench.fired == [2, 1])
        #expect(try await bench.on { source, _ in source.explain(1) } == nil)
    }

    @Test("A wait whose window cannot be read is broken, alone")
    func brokenWindow() async throws {
        let bench = try await bench()
        defer { bench.end() }
        let now = ThreadReactor.wallClock()
        let definition = try JSONValue(parsing: #"{"due": {"within": {"opens": "22:00"}}}"#)
        try await bench.add([
            ArmedWait(
                waitID: 1, kind: "time", target: "t", due: Timestamp(microseconds: now), definition: definition,
                since: Timestamp(microseconds: 0)),
            Self.wait(2, due: now),
        ])
        try await bench.untilFired(1)
        #expect(bench.fired == [2])
        guard case .broken(waitID: 1, let message) = bench.reports.first else {
            Issue.record("the wait without a closing was not refused: \(bench.reports)")
            return
        }
        #expect(message.contains("closes"))
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
