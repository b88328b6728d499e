// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchBundle

@Suite("Messages between engine and bundle")
struct MessageTests {
    static let order = RunOrder(
        dispatchID: 12, taskInstanceID: 7, taskIndex: 3,
        facts: AttemptFacts(
            dagID: "daily_orders", runID: "manual__2026-01-01T00:00:00+00:00", taskID: "parse", mapIndex: 4,
            tryNumber: 2,
            logicalDate: Timestamp(microseconds: 1_767_225_600_000_000),
            dataIntervalStart: Timestamp(microseconds: 1_767_225_600_000_000),
            dataIntervalEnd: Timestamp(microseconds: 1_767_225_600_000_000),
            params: .object(["region": .string("eu"), "n": .integer(3)]), runType: .manual),
        journal: [
            RecordedEntry(key: "a#0", kind: .step, payload: #"{"x":"\"\n"}"#),
            RecordedEntry(key: "w#0", kind: .wait, payload: "{}", outcome: .event(payload: "[1]")),
            RecordedEntry(key: "v#0", kind: .wait, payload: "{}", outcome: .timeout),
        ],
        inputs: ["[1,2,3]", "null"], mapElement: #""ä""#,
        cancel: CancelNotice(finalState: "failed", reason: "user", by: "ann"))

    static let engine: [EngineMessage] = [
        .hello(protocolVersion: 1), .hello(protocolVersion: 9, oldestVersion: 4), .describe,
        .tellTicks(dagID: "d", after: Timestamp(microseconds: 7), count: 3), .run(order),
        .recorded(dispatchID: 1, key: "a#0"),
        .refused(dispatchID: 2),
        .lookedUp(
            LookUpAnswer(
                dispatchID: 1, number: 2,
                outcome: .found(
                    .connection(Connection(type: "a", host: "h", port: 1, password: "p\"ä", extra: ["n": 1]))))),
        .lookedUp(
            LookUpAnswer(dispatchID: 1, number: 3, outcome: .found(.variable(Variable("v", isSecret: true))))),
        .lookedUp(LookUpAnswer(dispatchID: 1, number: 4, outcome: .found(.variable("")))),
        .lookedUp(LookUpAnswer(dispatchID: 1, number: 5, outcome: .found(.secret("s")))),
        .lookedUp(LookUpAnswer(dispatchID: 1, number: 6, outcome: .absent)),
        .lookedUp(LookUpAnswer(dispatchID: 1, number: 7, outcome: .problem(code: "unavailable", message: "away"))),
        .cancel(dispatchID: 3, CancelNotice(finalState: "failed", reason: "timeout", by: "perch"), isLast: true),
        .clock(offset: -1_767_225_600_000_000), .drain,
        .hostTrigger(
            TriggerOrder(
                run: run, kind: "async:Depth", definition: ["queue": "a"],
                facts: TriggerFacts(
                    waitID: 4, since: Timestamp(microseconds: 1), deadline: Timestamp(microseconds: 2), failures: 3),
                checkpoint: [1, "x"], budget: .seconds(1))),
        .hostTrigger(
            TriggerOrder(
                run: run, kind: "async:Depth", definition: .object([:]),
                facts: TriggerFacts(waitID: 4, since: Timestamp(microseconds: 1)), budget: .seconds(0))),
        .triggerWoken(run, number: 1), .triggerStored(run, number: 2), .endTrigger(run),
        .unknown(messageType: "x"),
    ]

    static let run = TriggerRun(waitID: 4, run: 9)

    static let bundle: [BundleMessage] = [
        .hello(protocolVersion: 1, bundleVersion: "v", pid: 12),
        .hello(protocolVersion: 9, bundleVersion: "v", pid: 12, oldestVersion: 4),
        .definition(text: "{", isLast: false),
        .source(BundleSource(path: "a.yaml", text: "id: a\n", dagIDs: ["a"])),
        .rendered(dispatchID: 1, [RenderedField("command", "echo 1"), RenderedField("environment.A", "")]),
        .described(BundleDescription(bundleVersion: "v", dags: ["{}"], problems: ["a:1: no"])),
        .described(
            BundleDescription(
                bundleVersion: "v", dags: [], problems: [],
                importErrors: [DeclarationProblem(file: "a.yaml", line: 1, column: 2, message: "no")])),
        .ticks(
            ToldTicks(
                dagID: "d", after: Timestamp(microseconds: 1),
                ticks: [
                    TimetableTick(
                        at: Timestamp(microseconds: 9), intervalStart: Timestamp(microseconds: 2),
                        intervalEnd: Timestamp(microseconds: 9))
                ], isLast: true)),
        .ticks(ToldTicks(dagID: "d", after: Timestamp(microseconds: 1), problem: "no")),
        .step(dispatchID: 1, key: "k#0", payload: "{\"a\":1}", keep: true),
        .deferred(
            dispatchID: 1, key: "w#0",
            trigger: TriggerSpec(kind: "file", target: "/x", definition: .object(["path": .string("/x")])),
            timeout: .seconds(3)),
        .deferred(
            dispatchID: 1, key: "w#0", trigger: TriggerSpec(kind: "time", target: "t", due: .after(.seconds(9))),
            timeout: nil),
        .deferred(
            dispatchID: 1, key: "w#0",
            trigger: TriggerSpec(kind: "time", target: "t", due: .at("2026-01-01T00:00:00Z")),
            timeout: nil),
        .deferred(
            dispatchID: 1, key: "w#0",
            trigger: .time(.tick(cron: "0 6 * * *", timeZone: "Europe/Paris")), timeout: nil),
        .deferred(
            dispatchID: 1, key: "w#0",
            trigger: .time(.within(TimeWindow(opens: "22:00", closes: "06:00", days: "MON-FRI"))), timeout: nil),
        .result(dispatchID: 1, .success(output: "1", items: ["1", "2"])),
        .result(dispatchID: 1, .success(output: "1", items: nil)),
        .result(dispatchID: 1, .failure(message: "no", retryable: false)),
        .result(dispatchID: 1, .failure(message: "no", retryable: true, retryAfter: .seconds(2))),
        .result(dispatchID: 1, .skipped(message: "why")), .result(dispatchID: 1, .cancelled),
        .trigger(run, .sleep(number: 1, until: Timestamp(microseconds: 8))),
        .trigger(run, .checkpoint(number: 2, value: "[1]")), .trigger(run, .event("{}")),
        .trigger(run, .failed(.threw, message: "a")), .trigger(run, .failed(.unknown, message: "b")),
        .trigger(run, .failed(.broken, message: "c")), .trigger(run, .held(.seconds(2))),
        .trigger(run, .log([LogLine(at: Timestamp(microseconds: 5), level: .info, message: "a")])),
        .log(dispatchID: 1, [LogLine(at: Timestamp(microseconds: 5), level: .warning, message: "a\u{1B}[0m")]),
        .lookUp(LookUp(dispatchID: 1, number: 2, name: SecretName(.connection, "orders"))),
        .lookUp(LookUp(dispatchID: 1, number: 3, name: SecretName(.variable, "region"))),
        .held(dispatchID: 1, .seconds(10)), .alive, .unknown(messageType: "y"),
    ]

    @Test("every message comes back as it was, however the stream is cut")
    func roundTrip() throws {
        var writer = FrameWriter()
        for message in Self.engine { try writer.append(message) }
        for size in [1, 3, 4096] {
            var reader = FrameReader()
            var back: [EngineMessage] = []
            try feed(writer.bytes, in: size, to: &reader) { back.append(try EngineMessage($0)) }
            #expect(back == Self.engine)
            #expect(reader.pending == 0)
        }
        var other = FrameWriter()
        for message in Self.bundle { try other.append(message) }
        for size in [1, 7, 4096] {
            var reader = FrameReader()
            var back: [BundleMessage] = []
            try feed(other.bytes, in: size, to: &reader) { back.append(try BundleMessage($0)) }
            #expect(back == Self.bundle)
        }
    }

    private func feed(
        _ bytes: [UInt8], in size: Int, to reader: inout FrameReader, _ take: (MessageFields) throws -> Void
    ) throws {
        for start in stride(from: 0, to: bytes.count, by: size) {
            Array(bytes[start..<min(start + size, bytes.count)]).withUnsafeBytes { reader.append($0) }
            while let fields = try reader.next() { try take(fields) }
        }
    }

    private func frame(_ text: String) -> [UInt8] {
        let count = text.utf8.count
        return [UInt8(count >> 24), UInt8(count >> 16 & 255), UInt8(count >> 8 & 255), UInt8(count & 255)]
            + Array(text.utf8)
    }

    @Test("unknown members are ignored, unknown types are told apart, what is wrong is named")
    func tolerance() throws {
        func read(_ text: String) throws -> BundleMessage? {
            var reader = FrameReader()
            frame(text).withUnsafeBytes { reader.append($0) }
            return try reader.next().map { try BundleMessage($0) }
        }
        #expect(try read(#"{"type":"alive","mood":"good"}"#) == .alive)
        #expect(try read(#"{"type":"sing"}"#) == .unrecognized(messageType: "sing"))
        for wrong in ["[]", "no", #"{"kind":1}"#, #"{"type":"step","dispatch_id":"x","key":"k","payload":"1"}"#] {
            #expect(throws: BundleProtocolError.self) { try read(wrong) }
        }
    }

    @Test("the newest version that both sides speak is spoken, and where there is none it is said which would fit")
    func versions() {
        let engine = ProtocolVersions(newest: 5, oldest: 3)
        let fitting: [(Int, Int?, Int)] = [(5, 1, 5), (4, 2, 4), (9, 4, 5), (9, 5, 5), (3, nil, 3)]
        for (newest, oldest, common) in fitting {
            #expect(engine.common(with: ProtocolVersions(newest: newest, oldest: oldest)) == common)
        }
        let others: [(Int, Int?)] = [(2, 1), (9, 6), (6, nil), (0, 0), (Int.min, nil)]
        for (newest, oldest) in others {
            #expect(engine.common(with: ProtocolVersions(newest: newest, oldest: oldest)) == nil)
        }
        // Who says that its oldest version is newer than its newest speaks that one.
        #expect(ProtocolVersions(newest: 3, oldest: 7) == ProtocolVersions(newest: 3))
        let old = BundleProtocol.mismatch(bundle: ProtocolVersions(newest: 2, oldest: 1), engine: engine)
        #expect(old.contains("versions 1 to 2") && old.contains("build the bundle anew for one of versions 3 to 5"))
        let new = BundleProtocol.mismatch(bundle: ProtocolVersions(newest: 6), engine: engine)
        #expect(new.contains("version 6 of") && new.contains("run an engine that speaks one of version 6"))
    }

    @Test("a frame that is too long is refused on both sides, and leaves nothing behind")
    func tooLong() throws {
        var reader = FrameReader()
        [UInt8](arrayLiteral: 0x7F, 0, 0, 0).withUnsafeBytes { reader.append($0) }
        #expect(throws: BundleProtocolError.self) { try reader.next() }
        var writer = FrameWriter()
        try writer.append(BundleMessage.alive)
        let before = writer.bytes
        let payload = String(repeating: "x", count: BundleProtocol.longestFrame)
        #expect(throws: BundleProtocolError.self) {
            try writer.append(BundleMessage.step(dispatchID: 1, key: "k", payload: payload, keep: false))
        }
        #expect(writer.bytes == before)
    }
}
