// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchCLI

@Suite("What `tasks clear` says")
struct ClearCommandTests {
    @Test("a run that was cancelled before it began begins again, and that is said")
    func unbegun() async throws {
        let home = try StagedHome()
        defer { home.folder.remove() }
        try await home.deploy(.code("d", ("a", []), ("b", [0])))
        try await home.engine { store in
            _ = try await store.write { try $0.createRun(RunRequest(dagID: "d", runID: "r")) }
            #expect(try await store.write { try $0.cancelRun(dagID: "d", runID: "r", by: "anna") })
        }
        let tried = try home.program("tasks", "clear", "d", "r", "--dry-run")
        #expect(tried.code == 0 && tried.errors.contains("the run r would begin again"), "\(tried)")
        #expect(try home.json("runs", "details", "d", "r")["state"] == "failed")
        let cleared = try home.program("tasks", "clear", "d", "r", "-y")
        #expect(cleared.code == 0 && cleared.errors.contains("the run r begins again"), "\(cleared)")
        #expect(cleared.errors.contains("note: no engine is running"))
        #expect(!cleared.errors.contains("nothing to clear"))
        #expect(try home.json("runs", "details", "d", "r")["state"] == "running")
        let again = try home.program("tasks", "clear", "d", "r", "-y")
        #expect(again.code == 0 && again.errors.contains("nothing to clear"), "\(again)")
        try await home.succeedAll()
    }

    @Test("a task that has left its DAG is refused by its name; in a run that is cleared it is left out, with a note")
    func gone() async throws {
        let home = try StagedHome()
        defer { home.folder.remove() }
        try await home.deploy(.code("d", ("a", []), ("b", [0]), ("c", [1])))
        try await home.trigger("d", "r")
        try await home.succeedAll()
        try await home.deploy(.code("d", ("a", []), ("c", [0])), bundleVersion: "2")
        try home.refuses("'b' has left the DAG 'd'", "tasks", "clear", "d", "r", "--task", "b", "-y")
        let cleared = try home.program("tasks", "clear", "d", "r", "-y")
        #expect(cleared.code == 0 && cleared.errors.contains("note: left out: the task 'b'"), "\(cleared)")
        #expect(try home.json("tasks", "states", "d", "r").list.map { $0["state"] } == ["queued", "success", "queued"])
    }

    @Test("what has not begun of a task that has left shows as removed, with the versions, and why it does not run")
    func removed() async throws {
        let home = try StagedHome()
        defer { home.folder.remove() }
        try await home.deploy(.code("d", ("a", []), ("b", [0])))
        try await home.trigger("d", "r")
        try await home.deploy(.code("d", ("a", [])), bundleVersion: "2")
        try await home.succeedAll()
        let states = try home.json("tasks", "states", "d", "r").list
        #expect(states.map { $0["state"] } == ["success", "removed"])
        #expect("\(states[1]["message"] ?? .null)".contains("version 2"))
        #expect(try home.json("tasks", "states", "d", "r", "--state", "removed").list.count == 1)
        #expect(try home.json("runs", "details", "d", "r")["state"] == "success")
        let why = try home.program("tasks", "failed-deps", "d", "r", "b")
        #expect(why.output.contains("not in the DAG any more"), "\(why)")
    }
}
