// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

@Suite(
    "Logs and long outputs of workers with homes of their own", .timeLimit(.minutes(3)),
    .enabled(if: PostgresCluster.programs != nil))
struct ApartTests {
    private static let speaking = """
        id: work
        tasks:
        - id: says
          bash: "echo zwölf; while [ ! -e FOLDER/go ]; do sleep 0.02; done; echo done >&2; echo last"
        - {id: quiet, after: says, bash: "true"}
        """

    /// What `tasks logs` says, without the instants.
    private func log(_ place: Workplace, _ task: String, _ arguments: String...) throws -> [String] {
        let outcome = try place.program.run(["tasks", "logs", "work", "r", task] + arguments)
        #expect(outcome.code == 0, "\(outcome)")
        return messages(outcome.output)
    }

    private func messages(_ text: String) -> [String] {
        text.split(separator: "\n").map { String($0.split(separator: " ", maxSplits: 1).last ?? "") }
    }

    @Test("a log is read and followed from another machine while its task runs, and afterwards without its home")
    func logs() throws {
        let server = try PostgresCluster(trusting: true, connections: 60)
        defer { server.stop() }
        let place = try Workplace(Self.speaking, server: server)
        defer { place.folder.remove() }
        let scheduler = try place.start("scheduler")
        let worker = try place.start("worker", "--slots", "2")
        try place.trigger("r")
        try place.until("the first line is there") { try log(place, "says").contains("INFO zwölf") }
        let records = try place.rows("tasks", "logs", "work", "r", "says")
        #expect(records.contains { $0["message"] == "zwölf" && $0["level"] == "info" }, "\(records)")
        let (out, err) = (place.folder.path + "/followed", place.folder.path + "/followed.errors")
        let follower = try place.program.prepare(
            ["tasks", "logs", "work", "r", "says", "--follow"], in: nil, output: out, errors: err)
        try follower.run()
        func followed() throws -> [String] { messages(try String(contentsOfFile: out, encoding: .utf8)) }
        try place.until("it is followed") { try place.states("running") == 1 && followed().contains("INFO zwölf") }
        try place.go()
        follower.waitUntilExit()
        #expect(follower.terminationStatus == 0)
        let whole = try log(place, "says")
        let words = whole.filter { !$0.contains("dispatch") }
        // What goes to standard error has no place among what goes to standard output.
        #expect(words.filter { $0 != "WARNING done" } == ["INFO zwölf", "INFO last", "INFO success"])
        #expect(words.count == 4)
        #expect(try followed() == whole)
        try place.until("both have ended") { try place.states("success") == 2 }
        let nothing = try place.program("tasks", "logs", "work", "r", "quiet")
        #expect(nothing.output.isEmpty && nothing.errors.contains("try 1 has no log (success)"), "\(nothing)")
        for role in [worker, scheduler] { #expect(role.stop() == 0, "\(role.text)") }
        try FileManager.default.removeItem(atPath: place.folder.path + "/home-2")
        #expect(try log(place, "says") == whole)
        #expect(try place.program("dags", "delete", "work", "--yes", "--force").code == 0)
        #expect(try place.program("db", "check").code == 0)
    }

    @Test("with logs.archive a log that has ended is a file there; where that is not to be seen, it is said")
    func archive() throws {
        let server = try PostgresCluster(trusting: true, connections: 60)
        defer { server.stop() }
        let place = try Workplace(
            Self.speaking, server: server, settings: ["PERCH__LOGS__ARCHIVE": "FOLDER/archive"])
        defer { place.folder.remove() }
        try place.go()
        let scheduler = try place.start("scheduler")
        let worker = try place.start("worker", "--slots", "2")
        try place.trigger("r")
        try place.until("both have ended") { try place.states("success") == 2 }
        let file = place.folder.path + "/archive/dag_id=work/run_id=r/task_id=says/attempt=1.log"
        try place.until("the log is in the archive") { FileManager.default.fileExists(atPath: file) }
        for role in [worker, scheduler] { #expect(role.stop() == 0, "\(role.text)") }
        let archived = messages(try String(contentsOfFile: file, encoding: .utf8))
        #expect(archived.last == "INFO success" && archived.contains("INFO zwölf"), "\(archived)")
        #expect(try log(place, "says") == archived)
        try FileManager.default.moveItem(
            atPath: place.folder.path + "/archive", toPath: place.folder.path + "/elsewhere")
        let lost = try place.program("tasks", "logs", "work", "r", "says")
        #expect(lost.code == 1 && lost.errors.contains("has moved this log into its archive"), "\(lost)")
        #expect(lost.errors.contains("/home-2"), "\(lost)")
        // The worker's own home has its file still.
        let own = try place.program("tasks", "logs", "work", "r", "says", "--home", place.folder.path + "/home-2")
        #expect(messages(own.output) == archived, "\(own)")
    }

    @Test("a long output is read on another machine when the one that gave it is gone for good") func outputs() throws {
        let server = try PostgresCluster(trusting: true, connections: 60)
        defer { server.stop() }
        let place = try Workplace(
            """
            id: work
            tasks:
            - id: list
              queue: a
              bash: {command: "printf '[\\"%0100d\\", \\"b\\"]' 0", output: json}
            - {id: each, queue: b, over: list, bash: "printf %s '{{ element }}' | wc -c >> FOLDER/done"}
            """, server: server, settings: ["PERCH__OUTPUTS__INLINE_SIZE": "32B"])
        defer { place.folder.remove() }
        let scheduler = try place.start("scheduler")
        let first = try place.start("worker", "--queues", "a")
        try place.trigger("r")
        try place.until("the list is there") { try place.states("success") == 1 }
        #expect(FileManager.default.fileExists(atPath: place.folder.path + "/home-2/outputs/dag_id=work"))
        first.kill()
        try FileManager.default.removeItem(atPath: place.folder.path + "/home-2")
        let other = try place.start("worker", "--queues", "b")
        try place.until("all have succeeded") { try place.states("success") == 3 }
        let done = try String(contentsOfFile: place.folder.path + "/done", encoding: .utf8)
        #expect(done.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.sorted() == ["1", "100"])
        for role in [other, scheduler] { #expect(role.stop() == 0, "\(role.text)") }
        #expect(try place.program("dags", "delete", "work", "--yes", "--force").code == 0)
        #expect(try place.program("db", "check").code == 0)
    }
}
