// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

@Suite("A bundle that leaks", .timeLimit(.minutes(60)))
struct LeakTests {
    private static let source = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../examples/python-bundle/bundle.py").standardized.path
    /// Each run leaks 20 MB. The tests have some; a trial of an hour at 100 MB a minute has 300.
    private static let runs = Int(ProcessInfo.processInfo.environment["PERCH_TEST_LEAKS"] ?? "") ?? 14

    /// The resident memory of a process, in KiB.
    private func resident(_ pid: Int32) throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return Int(line?.split(whereSeparator: { !$0.isNumber }).first ?? "") ?? 0
    }

    @Test("is replaced whenever it has so much memory; every run succeeds, and the engine stays as it is")
    func leak() throws {
        let folder = try Folder()
        defer { folder.remove() }
        var text = try String(contentsOfFile: Self.source, encoding: .utf8)
        for (from, to) in [
            ("while not context.is_cancelled:", "while False:"), ("    context.sleep(1)\n", ""),
            (#"raise Skip("not today")"#, "LEAKED.append(b'x' * 20_000_000)"),
            ("if __name__ ==", "LEAKED = []\nif __name__ =="),
        ] {
            #expect(text.contains(from))
            text = text.replacingOccurrences(of: from, with: to)
        }
        let bundle = folder.path + "/bundle.py"
        try Data(text.utf8).write(to: URL(filePath: bundle))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: bundle)
        let home = folder.path + "/home"
        let program = Program("perch", environment: ["PERCH_HOME": home])
        let engine = try RunningEngine(
            program, home: home, log: folder.path + "/engine.log",
            arguments: ["--set", "bundle.executable=\(bundle)", "--set", "bundle.max_memory=90MiB"])
        defer { engine.stop() }
        var (early, number, replaced) = (0, 0, 0)
        // Four runs fill one. Its memory is looked at now and then: where runs are quick, it gets more of them.
        while number < Self.runs || (replaced < 2 && number < 20 * Self.runs) {
            #expect(try program("dags", "trigger", "python_trials", "--run-id", "r\(number)").code == 0)
            var state: JSONValue?
            // Each look takes as long as a command.
            for _ in 0..<600 where state != "success" && state != "failed" {
                let details = try program("runs", "details", "python_trials", "r\(number)", "-o", "json").output
                state = try JSONValue(parsing: details)["state"]
            }
            #expect(state == "success", "r\(number): \(engine.text)")
            if number == 4 { early = try resident(engine.pid) }
            number += 1
            replaced = engine.text.components(separatedBy: "the bundle process is replaced by a new one").count - 1
        }
        #expect(replaced >= 2, "\(engine.text)")
        let late = try resident(engine.pid)
        #expect(early > 0 && late - early < 8 << 10, "\(early) KiB, and \(late) KiB after \(number) runs")
    }
}
