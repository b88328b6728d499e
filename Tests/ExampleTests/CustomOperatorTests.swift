// SPDX-License-Identifier: Apache-2.0

import Foundation
import ProgramTestSupport
import Testing

@Suite("The custom-operator example", .timeLimit(.minutes(2)))
struct CustomOperatorTests {
    @Test("work is handed over through a folder and waited for, by an operator of the user's own")
    func run() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let program = Program("custom-operator", environment: ["PERCH_HOME": folder.path + "/home"])
        let engine = try RunningEngine(program, home: folder.path + "/home", log: folder.path + "/engine.log")
        defer { engine.stop() }
        let params = #"{"spool": "\#(folder.path)/spool"}"#
        let run = try program("dags", "trigger", "convert", "--run-id", "one", "--params", params, "--wait")
        #expect(run.code == 0, "\(run) \(engine.text)")
        let log = try program("tasks", "logs", "convert", "one", "report")
        #expect(log.output.contains("the video came out as 1920x1080"), "\(log)")
    }
}
