// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

@Suite("Filling in the templates of a task", .timeLimit(.minutes(2)))
struct TasksRenderTests {
    private let program = Program("trial-bundle", environment: ["PERCH_HOME": "/nowhere/home"])

    /// The fields of a task, by name.
    private func fields(_ program: Program, _ arguments: [String], code: Int32 = 0) throws -> [String: JSONValue] {
        let outcome = try program.run(["tasks", "render"] + arguments + ["-o", "json"])
        #expect(outcome.code == code, "\(outcome)")
        guard case .array(let rows) = try JSONValue(parsing: outcome.output) else { return [:] }
        var found: [String: JSONValue] = [:]
        for row in rows { if case .string(let name)? = row["field"] { found[name] = row } }
        return found
    }

    @Test("of a run that is made up, without a home: operators, sensors, elements")
    func madeUp() throws {
        let date = ["--logical-date", "2026-03-01"]
        let load = try fields(program, ["renders", "load"] + date)
        #expect(load["command"]?["rendered"] == "echo 'o'\\''clock' Fields with templates false", "\(load)")
        #expect(
            load["command"]?["template"] == "echo {{ params.table | shellquote }} {{ dag.description }} {{ test_mode }}"
        )
        #expect(load["environment.DAY"]?["rendered"] == "20260301" && load["environment.PLAIN"]?["rendered"] == "x")
        let landed = try fields(program, ["renders", "landed", "--params", #"{"region": "us"}"#] + date)
        #expect(landed["target"]?["rendered"] == "/in/US/2026-03-01.csv", "\(landed)")
        #expect(landed["path"]?["rendered"] == "/in/US/2026-03-01.csv")
        let conf = try fields(program, ["renders", "landed", "--conf", #"{"region": "us"}"#] + date)
        #expect(conf == landed)
        let each = try fields(program, ["renders", "each", "--map-index", "1", "--map-element", "\"why\""] + date)
        #expect(each["key"]?["rendered"] == "why-manual__2026-03-01T00:00:00Z", "\(each)")
        let table = try program("tasks", "render", "renders", "landed", "--logical-date", "2026-03-01")
        #expect(
            table.lines.first?.hasPrefix("FIELD") == true && table.output.contains("/in/EU/2026-03-01.csv"), "\(table)")
        let closure = try program("tasks", "render", "renders", "files")
        #expect(closure.code == 0 && closure.errors.contains("no fields"), "\(closure)")
    }

    @Test("a field that cannot be filled in is named, and the others are shown")
    func wrongField() throws {
        let wrong = try fields(program, ["renders", "wrong", "--logical-date", "2026-03-01"], code: 1)
        #expect(wrong["workingDirectory"]?["rendered"] == "/in/2026-03-01", "\(wrong)")
        #expect(wrong["command"]?["rendered"] == .null)
        let outcome = try program("tasks", "render", "renders", "wrong")
        #expect(outcome.code == 1 && outcome.errors.contains("command: template 1:9: params.absent"), "\(outcome)")
    }

    @Test(
        "what is wrong with the command is one line that says what would be right",
        arguments: [
            ("renders nope", 1, "landed"), ("nope x", 1, "there is no DAG 'nope'"),
            ("renders landed --params 3", 64, "object"),
            ("renders landed --logical-date x", 64, "2026-01-01"), ("renders landed r --params {}", 64, "made up"),
            ("renders landed r --logical-date 2026-01-01", 64, "made up"),
            ("renders landed --map-index -2", 64, "--map-index"), ("renders landed --stored", 64, "name one"),
            ("renders landed r --try 1", 64, "--stored"), ("renders landed r --stored --try 0", 64, "from 1"),
            ("renders landed r", 1, "home"), ("renders", 64, "task"),
        ])
    func wrongUsage(line: String, code: Int32, part: String) throws {
        let outcome = try program.run(["tasks", "render"] + line.split(separator: " ").map(String.init))
        #expect(outcome.code == code && outcome.errors.contains(part), "\(outcome)")
        #expect(outcome.output.isEmpty)
    }

    @Test("of a run that there is, with its params and the elements of its mapped tasks, wherever they lie")
    func stored() throws {
        let home = try Folder()
        defer { home.remove() }
        let program = Program(
            "trial-bundle", environment: ["PERCH_HOME": home.path, "PERCH__OUTPUTS__INLINE_SIZE": "4"])
        let engine = try RunningEngine(program, home: home.path, log: home.path + "/log")
        defer { engine.stop() }
        #expect(try program("dags", "trigger", "renders", "--run-id", "r1", "--params", #"{"region": "za"}"#).code == 0)
        var states = ""
        for _ in 0..<400 where !states.contains("1 deferred") && !states.contains("2 deferred") {
            states = try program("tasks", "state", "renders", "r1", "each").output
        }
        let each = try fields(program, ["renders", "each", "r1", "--map-index", "1"])
        #expect(each["key"]?["rendered"] == "why-r1", "\(each) \(states)")
        let landed = try fields(program, ["renders", "landed", "r1"])
        guard case .string(let path)? = landed["path"]?["rendered"] else {
            Issue.record("\(landed)")
            return
        }
        #expect(path.hasPrefix("/in/ZA/20"), "\(path)")
        // What was kept as it ran is there without the code, and with what was so then.
        let kept = try fields(program, ["renders", "landed", "r1", "--stored"])
        #expect(kept["path"]?["rendered"] == .string(path), "\(kept)")
        var load: [String: JSONValue] = [:]
        for _ in 0..<400 where load.isEmpty { load = try fields(program, ["renders", "load", "r1", "--stored"]) }
        #expect(load["command"]?["rendered"] == "echo 'o'\\''clock' Fields with templates false", "\(load)")
        #expect(load["environment.PLAIN"]?["rendered"] == "x" && load["command"]?["template"] == nil, "\(load)")
        let later = try program("tasks", "render", "renders", "load", "r1", "--stored", "--try", "9")
        #expect(later.code == 1 && later.errors.contains("its latest is 1"), "\(later)")
        let source = try program("dags", "show", "renders", "--source")
        #expect(source.code == 0 && source.output.contains("DAG(\"renders\""), "\(source)")
        let record = try JSONValue(parsing: try program("dags", "show", "renders", "--source", "-o", "json").output)
        #expect(record["path"] == "Tests/Fixtures/trial-bundle/Trials.swift", "\(record["path"]?.text ?? "")")
        let picture = try program("dags", "show", "renders", "--source", "-o", "svg")
        #expect(picture.code == 64 && picture.errors.contains("text, json or yaml"), "\(picture)")
        // The output of the task was too long for its row.
        let files = try FileManager.default.subpathsOfDirectory(atPath: home.path + "/outputs")
        #expect(
            files.contains { $0.hasPrefix("dag_id=renders/run_id=r1/task_id=files/attempt=1.dispatch=") }, "\(files)")
    }
}
