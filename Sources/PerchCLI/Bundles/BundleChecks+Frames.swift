// SPDX-License-Identifier: Apache-2.0

internal import PerchBundle
internal import PerchProcess
internal import PerchSDK

/// What is tried without any task: frames, what is not known, and ends.
extension BundleChecks {
    /// Bytes come one by one, and messages several in one piece.
    func pieces() throws -> String {
        let bundle = try start()
        for byte in TriedBundle.frame(#"{"type":"hello","protocol_version":\#(BundleProtocol.version)}"#) {
            try bundle.send([byte])
        }
        _ = try bundle.hello(after: "a 'hello' that came byte by byte")
        try bundle.send(.describe, .describe, .describe)
        for _ in 0..<3 { _ = try Self.description(of: bundle) }
        return "bytes one by one and messages three at a time are read alike"
    }

    func unknownMembers() throws -> String {
        let bundle = try start()
        let more = #""x-text":"\u00e4\"","x-list":[1,{"a":null}],"x-object":{"type":"drain"},"x-number":1.5e3"#
        try bundle.send(#"{"x-first":true,"type":"hello","protocol_version":\#(BundleProtocol.version),\#(more)}"#)
        _ = try bundle.hello(after: "a 'hello' with more members")
        try bundle.send(#"{\#(more),"type":"describe"}"#)
        _ = try Self.description(of: bundle)
        return "members that it does not know are ignored"
    }

    func unknownMessage() throws -> String {
        let bundle = try greeted()
        try bundle.send(#"{"type":"x-unheard-of","dispatch_id":7}"#)
        try Self.requireUnknown("x-unheard-of", bundle)
        // An answer to what it never said.
        try bundle.send(.unknown(messageType: "x-other"))
        try Self.requireSound(bundle)
        return "it is answered with 'unknown', and the bundle goes on"
    }

    private static func requireUnknown(_ type: String, _ bundle: TriedBundle) throws {
        let answer = try bundle.next("an 'unknown'")
        guard case .unknown(let said) = answer else {
            throw BundleFault("has answered a message of an unknown type with \(TriedBundle.words(answer))")
        }
        guard said == type else {
            throw BundleFault("says in 'unknown' the 'message_type' '\(said.shown())', not '\(type)'")
        }
    }

    func longestFrame() throws -> String {
        let bundle = try greeted()
        let (start, end) = (#"{"type":"x-long","text":""#, #""}"#)
        let filler = BundleProtocol.longestFrame - start.utf8.count - end.utf8.count
        try bundle.send(start + String(repeating: "x", count: filler) + end)
        try Self.requireUnknown("x-long", bundle)
        return "a frame of \(BundleProtocol.longestFrame) bytes is read"
    }

    /// What is said of a dispatch that has ended meanwhile.
    func unknownDispatch() throws -> String {
        let bundle = try greeted()
        let notice = CancelNotice(finalState: "failed", reason: "check", by: "check")
        try bundle.send(
            .cancel(dispatchID: 99, notice, isLast: false), .recorded(dispatchID: 99, key: "a#0"),
            .refused(dispatchID: 99), .cancel(dispatchID: 99, notice, isLast: true))
        try Self.requireSound(bundle)
        return "what is said of it is ignored"
    }

    func unknownTask() throws -> String {
        let bundle = try greeted()
        try bundle.send(.run(Self.order(1, dagID: "x-no-dag", taskID: "x-no-task", params: [:], now: clock.now)))
        let answer = try bundle.next("a 'result'")
        guard case .result(1, let outcome) = answer else {
            throw BundleFault("has answered a 'run' of a task that it does not have with \(TriedBundle.words(answer))")
        }
        guard case .failure(let message, _, _) = outcome else {
            throw BundleFault("ends a task that it does not have otherwise than with 'failure'")
        }
        return "it fails: \(message.shown(120))"
    }

    func timetable() throws -> String {
        try requireVersion(BundleProtocol.hostingVersion, "asked for ticks")
        let bundle = try greeted()
        let after = Timestamp(microseconds: 1_767_225_600_000_000)
        try bundle.send(.tellTicks(dagID: "x-no-dag", after: after, count: 3))
        let answer = try bundle.next("a 'ticks'")
        guard case .ticks(let told) = answer else {
            throw BundleFault("has answered 'tell-ticks' with \(TriedBundle.words(answer))")
        }
        guard told.dagID == "x-no-dag", told.after == after else {
            throw BundleFault("does not repeat 'dag_id' and 'after' in 'ticks' as it was asked")
        }
        guard let problem = told.problem else {
            throw BundleFault("tells ticks of a DAG that it does not have; it is to say a 'problem'")
        }
        return "of a DAG that it does not have it says: \(problem.shown(120))"
    }

    func trigger() throws -> String {
        try requireVersion(BundleProtocol.hostingVersion, "given triggers")
        let bundle = try greeted()
        let run = TriggerRun(waitID: 4, run: 9)
        try bundle.send(
            .hostTrigger(
                TriggerOrder(
                    run: run, kind: "async:x-unheard-of", definition: .object([:]),
                    facts: TriggerFacts(waitID: 4, since: clock.now), budget: .seconds(1))))
        let answer = try bundle.next("a 'trigger-failed'")
        guard case .trigger(run, .failed(.unknown, let message)) = answer else {
            throw BundleFault(
                "has answered a trigger that it does not have with \(TriedBundle.words(answer)), not with "
                    + "'trigger-failed' of the reason 'unknown', or of another wait")
        }
        try bundle.send(.endTrigger(run), .triggerWoken(run, number: 1), .triggerStored(run, number: 1))
        try Self.requireSound(bundle)
        return "one that it does not have is refused: \(message.shown(120))"
    }

    private func requireVersion(_ version: Int, _ what: String) throws {
        guard versions.newest >= version else {
            throw Skipped(words: "a bundle of version \(versions.newest) is not \(what)")
        }
    }

    // MARK: Ends

    func tooLongFrame() throws -> String {
        let bundle = try greeted()
        try bundle.send(TriedBundle.header(BundleProtocol.longestFrame + 1) + Array("{".utf8))
        return "it ends without waiting for the rest: \(try bundle.end("a frame that is too long"))"
    }

    func garbage() throws -> String {
        let wrong: [[UInt8]] = [
            TriedBundle.frame("garbage"), TriedBundle.frame("[]"), TriedBundle.frame(#"{"kind":1}"#),
            TriedBundle.frame(#"{"type":7}"#), TriedBundle.header(2) + [0xFF, 0xFE], TriedBundle.header(0),
            TriedBundle.frame(#"{"type":"run","dispatch_id":"x"}"#),
        ]
        for bytes in wrong {
            let bundle = try greeted()
            try bundle.send(bytes)
            let shown = String(decoding: bytes.dropFirst(4), as: UTF8.self).shown()
            _ = try bundle.end("the frame '\(shown)', which is no message")
        }
        return "it ends at each of \(wrong.count) frames that are no messages"
    }

    func drain() throws -> String {
        let bundle = try greeted()
        try bundle.send(.drain)
        return try Self.requireExit(bundle, "a 'drain' while nothing ran")
    }

    static func requireExit(_ bundle: TriedBundle, _ after: String) throws -> String {
        let status = try bundle.end(after)
        guard status == .code(0) else { throw BundleFault("\(status) after \(after); the code is to be 0") }
        return "it \(status)"
    }

    func hangUp() throws -> String {
        let bundle = try greeted()
        bundle.hangUp()
        return "it \(try bundle.end("its engine was gone"))"
    }
}
