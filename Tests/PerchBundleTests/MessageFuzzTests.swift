// SPDX-License-Identifier: Apache-2.0

import FuzzSupport
import PerchSDK
import Testing

@testable import PerchBundle

@Suite("Fuzz: the bundle protocol")
struct MessageFuzzTests {
    static func bundle(_ source: inout FuzzSource) -> BundleMessage {
        let id = source.integer()
        switch source.int(0...10) {
        case 0:
            return .hello(
                protocolVersion: Int(source.integer()), bundleVersion: source.text(), pid: Int32(truncatingIfNeeded: id)
            )
        case 1: return .definition(text: source.json().text, isLast: source.one(in: 2))
        case 2:
            return .described(
                BundleDescription(
                    bundleVersion: source.text(), dags: source.several(0...2) { $0.json().text },
                    problems: source.several(0...2) { $0.text() }))
        case 3: return .step(dispatchID: id, key: source.text(), payload: source.text(), keep: source.one(in: 2))
        case 4, 5:
            let due: DueInstant? = source.pick([
                nil, .at(source.text()), .after(TimeSpan(microseconds: source.integer())),
                .tick(cron: source.text(), timeZone: source.text()),
                .within(
                    TimeWindow(
                        opens: source.text(), closes: source.text(), days: source.text(), timeZone: source.text())),
            ])
            return .deferred(
                dispatchID: id, key: source.text(),
                trigger: TriggerSpec(kind: source.text(), target: source.text(), due: due, definition: source.json()),
                timeout: source.one(in: 2) ? nil : TimeSpan(microseconds: source.integer()))
        case 6:
            let items = source.one(in: 2) ? nil : source.several(0...3) { $0.text() }
            return .result(dispatchID: id, .success(output: source.text(), items: items))
        case 7:
            return .result(
                dispatchID: id,
                source.pick([
                    .failure(message: source.text(), retryable: source.one(in: 2)), .skipped(message: source.text()),
                    .cancelled,
                ]))
        case 8:
            let levels: [AttemptLogLevel] = [.debug, .info, .warning, .error]
            return .log(
                dispatchID: id,
                source.several(0...3) {
                    LogLine(at: Timestamp(microseconds: $0.integer()), level: $0.pick(levels), message: $0.text())
                })
        case 9: return source.one(in: 2) ? .alive : .held(dispatchID: id, TimeSpan(microseconds: source.integer()))
        default: return .unknown(messageType: source.text())
        }
    }

    static func engine(_ source: inout FuzzSource) -> EngineMessage {
        func notice() -> CancelNotice {
            CancelNotice(finalState: source.text(), reason: source.text(), by: source.text())
        }
        let id = source.integer()
        switch source.int(0...7) {
        case 0: return .hello(protocolVersion: Int(source.integer()))
        case 1: return .describe
        case 2, 3:
            func instant() -> Timestamp { Timestamp(microseconds: source.integer()) }
            var order = RunOrder(
                dispatchID: id, taskInstanceID: source.integer(), taskIndex: Int(source.integer()),
                facts: AttemptFacts(
                    dagID: source.text(), runID: source.text(), taskID: source.text(), mapIndex: Int(source.integer()),
                    tryNumber: Int(source.integer()), logicalDate: instant(), dataIntervalStart: instant(),
                    dataIntervalEnd: instant(), params: source.json(), runType: source.pick(RunType.allCases)))
            for _ in 0..<source.int(0...3) {
                let outcomes: [RecordedEntry.Outcome] = [
                    .event(payload: source.text()), .timeout, .cancelled(notice()), .broken(message: source.text()),
                ]
                let isWait = source.one(in: 2)
                order.journal.append(
                    RecordedEntry(
                        key: source.text(), kind: isWait ? .wait : .step, payload: source.text(),
                        outcome: isWait ? source.pick(outcomes) : nil))
            }
            order.inputs = source.several(0...2) { $0.text() }
            if source.one(in: 2) { order.mapElement = source.text() }
            if source.one(in: 3) { order.cancel = notice() }
            return .run(order)
        case 4: return .recorded(dispatchID: id, key: source.text())
        case 5: return .refused(dispatchID: id)
        case 6: return .cancel(dispatchID: id, notice(), isLast: source.one(in: 2))
        case 7 where source.one(in: 3): return .clock(offset: id)
        default: return source.one(in: 2) ? .drain : .unknown(messageType: source.text())
        }
    }

    /// Feeds a stream in pieces and gives its messages up to where it is refused.
    private static func read(_ bytes: [UInt8], _ source: inout FuzzSource, _ take: (MessageFields) throws -> Void)
        throws
    {
        var reader = FrameReader()
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = Array(rest.prefix(source.int(1...64)))
            rest = rest.dropFirst(piece.count)
            piece.withUnsafeBytes { reader.append($0) }
            while let fields = try reader.next() { try take(fields) }
        }
    }

    @Test("every message comes back as it was, however the stream is cut") func roundTrip() throws {
        try Fuzz.run("messages", count: 2_000) { source in
            let (sent, asked) = (source.several(1...3) { Self.bundle(&$0) }, source.several(1...3) { Self.engine(&$0) })
            var (writer, other) = (FrameWriter(), FrameWriter())
            for message in sent { try writer.append(message) }
            for message in asked { try other.append(message) }
            var (read, heard): ([BundleMessage], [EngineMessage]) = ([], [])
            try Self.read(writer.bytes, &source) { read.append(try BundleMessage($0)) }
            try Self.read(other.bytes, &source) { heard.append(try EngineMessage($0)) }
            try Fuzz.same(read, sent, "from the bundle")
            try Fuzz.same(heard, asked, "from the engine")
        }
    }

    @Test("changed bytes are messages that are written again as they are read, or a refusal that names what is wrong")
    func mutations() throws {
        try Fuzz.run("changed messages", count: 4_000) { source in
            var writer = FrameWriter()
            for _ in 0..<2 {
                if source.one(in: 2) {
                    try writer.append(Self.bundle(&source))
                } else {
                    try writer.append(Self.engine(&source))
                }
            }
            var bytes = writer.bytes
            if source.one(in: 2), let first = try Self.body(of: bytes) {
                // The frame stays whole, so that what is in it is looked at.
                let body = source.mutated(first, with: first)
                bytes =
                    [
                        UInt8(body.count >> 24), UInt8(body.count >> 16 & 255), UInt8(body.count >> 8 & 255),
                        UInt8(body.count & 255),
                    ] + body
            } else {
                bytes = source.mutated(bytes)
            }
            _ = try Fuzz.accepted {
                try Self.read(bytes, &source) { fields in
                    if let message = try Fuzz.accepted({ try BundleMessage(fields) }) { try Self.check(message) }
                    if let message = try Fuzz.accepted({ try EngineMessage(fields) }) { try Self.check(message) }
                }
            }
        }
    }

    private static func body(of frames: [UInt8]) throws -> [UInt8]? {
        let length = frames.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        return Array(frames.dropFirst(4).prefix(length))
    }

    private static func check(_ message: BundleMessage) throws {
        if case .unrecognized = message { return }
        var (writer, source) = (FrameWriter(), FuzzSource(seed: 1))
        try writer.append(message)
        try read(writer.bytes, &source) { try Fuzz.same(try BundleMessage($0), message, "written again") }
    }

    private static func check(_ message: EngineMessage) throws {
        if case .unrecognized = message { return }
        var (writer, source) = (FrameWriter(), FuzzSource(seed: 1))
        try writer.append(message)
        try read(writer.bytes, &source) { try Fuzz.same(try EngineMessage($0), message, "written again") }
    }

    @Test(
        "found by fuzzing: a member of the wrong type is refused by its name, and not taken for one that is left out",
        arguments: [
            #"{"type":"hello","protocol_version":1,"pid":4294967297}"#,
            #"{"type":"hello","protocol_version":1,"pid":"1"}"#,
            #"{"type":"hello","protocol_version":1,"bundle_version":1}"#,
            #"{"type":"definition","text":"{}","is_last":"no"}"#,
            #"{"type":"step","dispatch_id":1,"key":"k","payload":"1","keep":1}"#,
            #"{"type":"deferred","dispatch_id":1,"key":"k","trigger":{"kind":"a","target":"b"},"timeout":"3s"}"#,
            #"{"type":"deferred","dispatch_id":1,"key":"k","trigger":{"kind":"a","target":"b"},"timeout":1.5}"#,
            #"{"type":"deferred","dispatch_id":1,"key":"k","trigger":{"kind":"a","target":"b","due":{"at":1,"after":1}}}"#,
            #"{"type":"result","dispatch_id":1,"outcome":"failure","message":"m","retryable":"no"}"#,
            #"{"type":"result","dispatch_id":1,"outcome":"skipped","message":1}"#,
        ])
    func wrongTypes(_ text: String) throws {
        var reader = FrameReader()
        ([0, 0, 0, UInt8(text.utf8.count)] + Array(text.utf8)).withUnsafeBytes { reader.append($0) }
        let fields = try #require(try reader.next())
        #expect(throws: BundleProtocolError.self) { try BundleMessage(fields) }
    }

    @Test("found by fuzzing: a message's type is not repeated at length, nor with what a terminal would obey")
    func longType() throws {
        let type = "\u{1B}[2J" + String(repeating: "x", count: 100_000)
        let fields = try MessageFields(.object(["type": .string(type), "facts": .integer(1)]))
        try Fuzz.checkMessage("\(fields.missing("a", "b"))")
        #expect(try Fuzz.accepted { try fields.object("facts") } == nil)
    }
}
