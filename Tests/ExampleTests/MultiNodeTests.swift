// SPDX-License-Identifier: Apache-2.0

import Foundation
import ProgramTestSupport
import Testing

@Suite(
    "The multi-node example", .enabled(if: PostgresCluster.programs != nil), .timeLimit(.minutes(5)))
struct MultiNodeTests {
    private static let script = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../examples/multi-node/run").standardized.path

    private func run(_ arguments: String...) throws -> (code: Int32, output: String, errors: String) {
        let folder = try Folder()
        defer { folder.remove() }
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["bash", Self.script] + arguments
        var variables = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("PERCH") }
        variables["PERCH"] = Program("perch").path
        process.environment = variables
        let (out, err) = (folder.path + "/out", folder.path + "/err")
        for file in [out, err] { try Data().write(to: URL(filePath: file)) }
        process.standardOutput = try FileHandle(forWritingTo: URL(filePath: out))
        process.standardError = try FileHandle(forWritingTo: URL(filePath: err))
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return (
            process.terminationStatus, try String(contentsOfFile: out, encoding: .utf8),
            try String(contentsOfFile: err, encoding: .utf8)
        )
    }

    @Test("a small one ends with everything done, and once, while its roles are killed")
    func small() throws {
        let outcome = try run("900", "--runs", "3", "--limit", "240")
        #expect(outcome.code == 0, "\(outcome.output) \(outcome.errors)")
        for line in ["tasks that ended as success: 1803", "waits that were fired: 900", "the metastore is sound"] {
            #expect(outcome.output.contains(line), "\(outcome.output)")
        }
        // Something has happened to them.
        let nothing = "; 0 killed, 0 frozen, 0 ended, 0 times cut, 0 restarts;"
        #expect(!outcome.output.contains(nothing), "\(outcome.output)")
    }

    @Test("what it does not understand is one line", arguments: ["0", "x", "--runs", "--seed=1", "--no"])
    func wrong(argument: String) throws {
        let outcome = try run(argument)
        #expect(outcome.code == 1 && outcome.errors.hasPrefix("multi-node: "), "\(outcome)")
        #expect(outcome.errors.split(separator: "\n").count == 1)
    }
}
