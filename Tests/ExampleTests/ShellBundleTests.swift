// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

@Suite("The bundle in shell", .timeLimit(.minutes(3)))
struct ShellBundleTests {
    private static let bundle = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../examples/shell-bundle/bundle.sh").standardized.path

    @Test("passes every check") func conforms() throws {
        let outcome = try Program("perch")(
            "bundles", "check", Self.bundle, "--task", "shell_hello/slow", "-o", "json")
        #expect(outcome.code == 0, "\(outcome)")
        guard case .array(let checks) = try JSONValue(parsing: outcome.output) else {
            Issue.record("\(outcome)")
            return
        }
        #expect(checks.count == 19 && checks.allSatisfy { $0["result"] == "pass" }, "\(outcome.output)")
    }

    @Test("runs in an engine, after a wait that touches no process") func run() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let home = folder.path + "/home"
        let program = Program(
            "perch", environment: ["PERCH_HOME": home, "PERCH__BUNDLE__EXECUTABLE": Self.bundle])
        let engine = try RunningEngine(program, home: home, log: folder.path + "/engine.log")
        defer { engine.stop() }
        #expect(engine.text.contains("ready: 1 DAGs"), "\(engine.text)")
        #expect(try program("dags", "trigger", "shell_hello", "--run-id", "first").code == 0)
        var state: JSONValue?
        for _ in 0..<600 where state != "success" && state != "failed" {
            let details = try program("runs", "details", "shell_hello", "first", "-o", "json").output
            state = try JSONValue(parsing: details)["state"]
        }
        #expect(state == "success", "\(engine.text)")
    }
}
