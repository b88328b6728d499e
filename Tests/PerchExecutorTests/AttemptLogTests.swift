// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchOutputs
import PerchSDK
import Testing

@testable import PerchBundle
@testable import PerchExecutor

@Suite("Logs of attempts")
struct AttemptLogTests {
    private func line(_ message: String, at microseconds: Int64 = 1_767_225_600_007_000) -> LogLine {
        LogLine(at: Timestamp(microseconds: microseconds), level: .info, message: message)
    }

    @Test("a line has its instant to the millisecond, and no control character can steer a terminal or forge a line")
    func text() {
        #expect(AttemptLogLine.text(of: line("hello")) == "2026-01-01T00:00:00.007Z INFO hello\n")
        #expect(
            AttemptLogLine.text(of: line("a\u{1B}[2Jb\rc\td\u{9B}e\u{7F}"))
                == "2026-01-01T00:00:00.007Z INFO a\\u{1B}[2Jb\\u{D}c\td\\u{9B}e\\u{7F}\n")
        #expect(
            AttemptLogLine.text(of: line("one\ntwo\n"))
                == "2026-01-01T00:00:00.007Z INFO one\n2026-01-01T00:00:00.007Z INFO two\n")
        #expect(AttemptLogLine.text(of: line("x", at: -1)) == "1969-12-31T23:59:59.999Z INFO x\n")
        #expect(AttemptLogLine.text(of: line("ä€😀é")) == "2026-01-01T00:00:00.007Z INFO ä€😀é\n")
    }

    @Test("ids become parts of a path that stay inside the directory")
    func paths() {
        let key = TaskInstanceKey(dagID: "d", runID: "../../etc/pass wd", taskID: "t.1")
        #expect(
            AttemptLogPath.file(of: key, tryNumber: 2)
                == "dag_id=d/run_id=..%2F..%2Fetc%2Fpass%20wd/task_id=t.1/attempt=2.log")
        let mapped = TaskInstanceKey(dagID: "d", runID: "manual__2026-01-01T00:00:00+00:00", taskID: "t", mapIndex: 3)
        #expect(
            AttemptLogPath.file(of: mapped, tryNumber: 1)
                == "dag_id=d/run_id=manual__2026-01-01T00:00:00+00:00/task_id=t/map_index=3/attempt=1.log")
        let long = OutputPath.encoded(String(repeating: "a", count: 900))
        #expect(long.utf8.count < 240)
        #expect(long != OutputPath.encoded(String(repeating: "a", count: 901)))
    }

    @Test("lines that are worth no log of their own begin none, and what came before stands in one that is begun late")
    func worth() async throws {
        let directory = NSTemporaryDirectory() + "perch-logs-\(UUID().uuidString.prefix(8))"
        let logs = AttemptLogStore(directory: directory)
        func key(_ task: String) -> TaskInstanceKey { TaskInstanceKey(dagID: "d", runID: "r", taskID: task) }
        func messages(_ task: String) throws -> [Substring]? {
            try logs.text(of: key(task), tryNumber: 1)?.split(separator: "\n").map {
                $0.split(separator: " ").last ?? ""
            }
        }
        logs.append([line("quiet")], to: key("quiet"), tryNumber: 1, worth: .ifThere)
        // In one batch, and with what comes first written before the next.
        for (task, isFlushed) in [("together", false), ("apart", true)] {
            logs.append([line("nothing")], to: key(task), tryNumber: 1, worth: .ifThere)
            if isFlushed { await logs.flush() }
            logs.append([line("one")], to: key(task), tryNumber: 1, worth: .always(past: [line("past")]))
            if isFlushed { await logs.flush() }
            logs.append([line("two")], to: key(task), tryNumber: 1, worth: .ifThere)
            if isFlushed { await logs.flush() }
            logs.append([line("three")], to: key(task), tryNumber: 1, worth: .always(past: [line("again")]))
        }
        await logs.flush()
        #expect(try messages("quiet") == nil)
        #expect(try messages("together") == ["past", "one", "two", "three"])
        #expect(try messages("apart") == ["past", "one", "two", "three"])
        #expect(logs.lastFailure == nil)
        await logs.close()
        try FileManager.default.removeItem(atPath: directory)
    }

    @Test("lines are appended in order and can be read back")
    func store() async throws {
        let directory = NSTemporaryDirectory() + "perch-logs-\(UUID().uuidString.prefix(8))"
        let logs = AttemptLogStore(directory: directory)
        let key = TaskInstanceKey(dagID: "d", runID: "r", taskID: "t", mapIndex: 0)
        #expect(try logs.text(of: key, tryNumber: 1) == nil)
        for number in 0..<1_000 { logs.append([line("line \(number)")], to: key, tryNumber: 1 + number % 2) }
        await logs.flush()
        let first = try #require(try logs.text(of: key, tryNumber: 1)).split(separator: "\n")
        #expect(first.count == 500)
        #expect(first.first?.hasSuffix(" line 0") == true)
        #expect(first.last?.hasSuffix(" line 998") == true)
        #expect(logs.tries(of: key) == [1, 2])
        #expect(logs.lastFailure == nil)
        await logs.close()
        try FileManager.default.removeItem(atPath: directory)
    }
}
