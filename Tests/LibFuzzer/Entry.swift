// SPDX-License-Identifier: Apache-2.0

import FuzzSupport
import Glibc
import PerchBundle
import PerchSDK
import PerchTriggersFile
import PerchTriggersHTTP

/// One way in for foreign bytes, with what must hold for each input. A trap, a hang or a broken property is a find.
private func check(_ entry: String, _ bytes: UnsafeRawBufferPointer) throws {
    func text() -> String { String(decoding: bytes, as: UTF8.self) }
    switch entry {
    case "json":
        guard let value = try Fuzz.accepted({ try JSONValue(parsing: bytes) }) else { return }
        try Fuzz.same(try JSONValue(parsing: value.text), value, "printed")
    case "frames":
        var reader = FrameReader()
        reader.append(bytes)
        _ = try Fuzz.accepted {
            while let fields = try reader.next() {
                _ = try Fuzz.accepted { try BundleMessage(fields) }
                _ = try Fuzz.accepted { try EngineMessage(fields) }
            }
        }
    case "pattern":
        // The pattern, a line end, and what it is tried on.
        let parts = text().split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
        let pattern = TextPattern(String(parts[0]))
        if let problem = pattern.problem { try Fuzz.checkMessage(problem) }
        _ = pattern.matches(String((parts.dropFirst().first ?? "").prefix(1_000)))
    case "path":
        let path = JSONPath(text())
        if let problem = path.problem { try Fuzz.checkMessage(problem) }
        _ = path.values(in: .object(["a": .array([.object(["b": 1]), "x"])]))
    case "condition":
        guard let condition = try Fuzz.accepted({ try JSONText.decode(JSONCondition.self, from: text()) }) else {
            return
        }
        for problem in condition.problems { try Fuzz.checkMessage(problem) }
        _ = (condition.description, condition.evaluate(.object(["a": .array([1, "x"])])))
    case "cron":
        guard let schedule = try Fuzz.accepted({ try CronSchedule(text()) }) else { return }
        let instant = Timestamp(microseconds: 1_767_225_600_000_000)
        guard let next = schedule.next(after: instant) else { return }
        try Fuzz.check(next > instant && schedule.previous(before: next).map { $0 <= instant } ?? true, "\(next)")
    case "time":
        if let instant = try Fuzz.accepted({ try Timestamp(parsing: text()) }) {
            try Fuzz.same(try Timestamp(parsing: instant.description), instant, "printed")
        }
        if let span = try Fuzz.accepted({ try TimeSpan(parsing: text()) }) {
            try Fuzz.same(try TimeSpan(parsing: span.description), span, "printed")
        }
    case "template":
        for problem in TemplateCheck.problems(in: text()) { try Fuzz.checkMessage(problem) }
        let instant = Timestamp(microseconds: 1_767_225_600_000_000)
        let facts = AttemptFacts(
            dagID: "d", runID: "r", taskID: "t", mapIndex: -1, tryNumber: 1, logicalDate: instant,
            dataIntervalStart: instant, dataIntervalEnd: instant, params: .object(["a": .array([1, "x"])]),
            runType: .manual)
        _ = try Fuzz.accepted { try Template.render(text(), with: TemplateScope(facts)) }
    case "dag":
        guard let dag = try Fuzz.accepted({ try DAGDefinition(parsing: text()) }) else { return }
        try Fuzz.same(try DAGDefinition(parsing: dag.text), dag, "printed")
    case "http":
        guard let trigger = try Fuzz.accepted({ try JSONText.decode(HTTPTrigger.self, from: text()) }) else { return }
        for problem in trigger.problems { try Fuzz.checkMessage(problem) }
        _ = trigger.until.description
    case "file":
        for problem in FileTrigger(path: text()).problems { try Fuzz.checkMessage(problem) }
    default:
        fatalError(
            "PERCH_FUZZ_ENTRY is \(entry); it is json, frames, pattern, path, condition, cron, time, template, dag, http or file"
        )
    }
}

private let entry = getenv("PERCH_FUZZ_ENTRY").map { String(cString: $0) } ?? "json"

/// What libFuzzer calls for each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func tryInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    do {
        try check(entry, UnsafeRawBufferPointer(start: bytes, count: count))
    } catch {
        fatalError("\(error)")
    }
    return 0
}
