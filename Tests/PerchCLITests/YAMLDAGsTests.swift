// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

/// The stock executable with a folder of YAML files.
private final class Stage {
    let folder: Folder
    let program: Program
    let home: String
    var dags: String { folder.path + "/dags" }

    init() throws {
        folder = try Folder()
        home = folder.path + "/home"
        program = Program("perch", environment: ["PERCH_HOME": home])
        try FileManager.default.createDirectory(atPath: dags, withIntermediateDirectories: true)
    }

    func engine(_ number: Int = 1) throws -> RunningEngine {
        try RunningEngine(
            program, home: home, log: "\(folder.path)/engine-\(number).log", arguments: ["--dags", dags])
    }

    /// Puts a file in place as a whole, as editors do.
    func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(filePath: "\(dags)/\(name)"), options: .atomic)
    }

    func json(_ arguments: String...) throws -> JSONValue {
        let outcome = try program.run(arguments + ["-o", "json"])
        guard outcome.code == 0 else { throw RunningEngineError(description: "\(outcome)") }
        return try JSONValue(parsing: outcome.output)
    }

    /// The rows of a list, once they are as wanted.
    func rows(_ arguments: String..., until isRight: ([JSONValue]) -> Bool) throws -> [JSONValue] {
        var rows: [JSONValue] = []
        // Each look takes as long as a command.
        for _ in 0..<600 {
            let outcome = try program.run(arguments + ["-o", "json"])
            if outcome.code == 0, case .array(let found) = try JSONValue(parsing: outcome.output) {
                rows = found
                if isRight(rows) { return rows }
            }
        }
        throw RunningEngineError(description: "\(arguments): \(JSONValue.array(rows).text)")
    }

    /// Starts a run and waits for its end.
    func run(_ dag: String, _ id: String, params: JSONValue = .object([:])) throws -> JSONValue {
        let started = try program("dags", "trigger", dag, "--run-id", id, "--params", params.text)
        guard started.code == 0 else { throw RunningEngineError(description: "\(started)") }
        return try end(of: dag, id)
    }

    func end(of dag: String, _ id: String) throws -> JSONValue {
        for _ in 0..<600 {
            let details = try json("runs", "details", dag, id)
            if details["state"] == "success" || details["state"] == "failed" { return details }
        }
        throw RunningEngineError(description: "\(dag) \(id) does not end: \(try json("tasks", "states", dag, id).text)")
    }

    static func text(_ id: String, _ command: String) -> String {
        "id: \(id)\ntasks:\n- id: say\n  bash: \(command)\n"
    }
}

@Suite("YAML DAGs on the stock executable", .timeLimit(.minutes(5)))
struct YAMLDAGsTests {
    @Test("the file of a DAG is kept with its version: a comment changes the text alone, and escapes are made visible")
    func sources() throws {
        let stage = try Stage()
        defer { stage.folder.remove() }
        let first = Stage.text("kept", "echo {{ ds }}")
        try stage.write("kept.yaml", first)
        let engine = try stage.engine()
        defer { engine.stop() }
        #expect(try stage.program("dags", "show", "kept", "--source").output == first)
        let commented = first + "# \u{202E}a comment\n"
        try stage.write("kept.yaml", commented)
        var shown = ""
        for _ in 0..<600 where !shown.contains("a comment") {
            shown = try stage.program("dags", "show", "kept", "--source").output
        }
        #expect(shown.hasPrefix(first) && !shown.contains("\u{202E}"), "\(shown)")
        #expect(try stage.json("dags", "show", "kept", "--source")["content"] == .string(commented))
        try stage.write("kept.yaml", Stage.text("kept", "echo 1").replacing("say", with: "tell"))
        _ = try stage.rows("dags", "versions", "kept") { $0.count == 2 }
        let difference = try stage.program("dags", "diff", "kept", "--source")
        #expect(difference.output.contains("+++ kept.yaml (version 2)") && difference.output.contains("-- id: say"))
        #expect(difference.output.contains("+- id: tell"), "\(difference)")
        let old = try stage.json("dags", "show", "kept", "--source", "--version", "1")
        #expect(old["version"] == 1 && old["content"] == .string(commented))
    }

    @Test("one file is broken and mended while the engine runs: the others go on, and the error comes and goes")
    func breakAndMend() throws {
        let stage = try Stage()
        defer { stage.folder.remove() }
        try stage.write("one.yaml", Stage.text("one", "echo first"))
        try stage.write("two.yaml", Stage.text("two", "echo two"))
        let engine = try stage.engine()
        defer { engine.stop() }
        #expect(engine.text.contains("ready: 2 DAGs"), "\(engine.text)")
        #expect(try stage.run("one", "a")["state"] == "success")
        #expect(try stage.rows("dags", "list-import-errors") { $0.isEmpty } == [])

        try stage.write("one.yaml", "id: one\ntasks:\n- id: say\n  bsh: echo second\n")
        let errors = try stage.rows("dags", "list-import-errors") { !$0.isEmpty }
        #expect(errors.count == 2, "\(errors)")
        #expect(errors.first?["file"] == "one.yaml" && errors.contains { $0["line"] == 4 && $0["column"] == 3 })
        #expect(errors.contains { "\($0["message"]?.text ?? "")".contains("did you mean 'bash'?") }, "\(errors)")
        for format in ["table", "yaml", "plain"] {
            let shown = try stage.program("dags", "list-import-errors", "-o", format)
            #expect(shown.code == 0 && shown.output.contains("one.yaml"), "\(shown)")
        }
        #expect(try stage.program("dags", "list").errors.contains("list-import-errors"))
        // Both still run: the broken one as it last was.
        #expect(try stage.run("two", "a")["state"] == "success")
        #expect(try stage.run("one", "b")["state"] == "success")
        #expect(try stage.program("tasks", "logs", "one", "b", "say").output.contains("first"))

        try stage.write("one.yaml", Stage.text("one", "echo third"))
        _ = try stage.rows("dags", "list-import-errors") { $0.isEmpty }
        #expect(try stage.run("one", "c")["state"] == "success")
        #expect(try stage.program("tasks", "logs", "one", "c", "say").output.contains("third"))
        // What a command says is code: the structure of the DAG is what it was.
        #expect(try stage.json("dags", "details", "one")["version"] == 1)
    }

    @Test("files that come and go while the engine runs are DAGs that come and go, in new folders too")
    func comeAndGo() throws {
        let stage = try Stage()
        defer { stage.folder.remove() }
        try FileManager.default.removeItem(atPath: stage.dags)
        let engine = try stage.engine()
        defer { engine.stop() }
        #expect(engine.text.contains("ready: 0 DAGs"), "\(engine.text)")
        func ids(_ rows: [JSONValue]) -> [String] { rows.compactMap { $0["dag_id"] }.map(\.text) }

        try FileManager.default.createDirectory(atPath: stage.dags + "/inner", withIntermediateDirectories: true)
        try stage.write("inner/a.yaml", Stage.text("a", "echo a"))
        _ = try stage.rows("dags", "list") { ids($0) == ["\"a\""] }
        try stage.write("b.yml", Stage.text("b", "echo b"))
        _ = try stage.rows("dags", "list") { ids($0) == ["\"a\"", "\"b\""] }
        #expect(try stage.run("a", "x")["state"] == "success")
        try FileManager.default.removeItem(atPath: stage.dags + "/inner/a.yaml")
        _ = try stage.rows("dags", "list") { ids($0) == ["\"b\""] }
        #expect(try stage.program("dags", "trigger", "a", "--run-id", "y").code == 1)
        #expect(try stage.json("dags", "details", "a")["is_active"] == false)
    }

    @Test("a file that is broken when the engine starts hides no other, and its last good state is there after a kill")
    func restart() throws {
        let stage = try Stage()
        defer { stage.folder.remove() }
        try stage.write("bad.yaml", "id: bad\ntasks: [")
        try stage.write("good.yaml", Stage.text("good", "echo good"))
        let first = try stage.engine()
        #expect(first.text.contains("ready: 1 DAGs"), "\(first.text)")
        #expect(first.text.contains("import error: bad.yaml:"), "\(first.text)")
        #expect(try stage.run("good", "a")["state"] == "success")
        first.kill()
        try stage.write("good.yaml", "id: go")
        let second = try stage.engine(2)
        defer { second.stop() }
        #expect(second.text.contains("ready: 1 DAGs"), "\(second.text)")
        let files = try stage.rows("dags", "list-import-errors") { $0.contains { $0["file"] == "good.yaml" } }
        #expect(files.contains { $0["file"] == "bad.yaml" })
        #expect(try stage.run("good", "b")["state"] == "success")
    }

    @Test("a run that waits while its file changes goes on with the code that is there when it goes on")
    func whileItWaits() throws {
        let stage = try Stage()
        defer { stage.folder.remove() }
        let text = """
            id: waits
            tasks:
            - {id: wait, sensor: {event: go}}
            - {id: say, after: wait, bash: echo NUMBER}
            """
        try stage.write("waits.yaml", text.replacing("NUMBER", with: "one"))
        let engine = try stage.engine()
        defer { engine.stop() }
        #expect(try stage.program("dags", "trigger", "waits", "--run-id", "a").code == 0)
        _ = try stage.rows("deferred", "list") { $0.count == 1 }
        try stage.write("waits.yaml", text.replacing("NUMBER", with: "two"))
        // The sensor's place in the definition is the same: only the new version shows that it was read.
        for _ in 0..<600 where !engine.text.contains("the bundle has changed") { _ = try stage.program("version") }
        #expect(try stage.program("events", "emit", "go").code == 0)
        #expect(try stage.end(of: "waits", "a")["state"] == "success")
        #expect(try stage.program("tasks", "logs", "waits", "a", "say").output.contains("two"))
    }

    @Test(
        "runs of another DAG are started with params that its types take, and their results and pairs are mapped over")
    func runsAndPairs() throws {
        let stage = try Stage()
        defer { stage.folder.remove() }
        try stage.write(
            "parts.yaml",
            """
            id: parts
            params:
              count: {type: integer, minimum: 1, maximum: 5, description: How many}
              region: {type: string, enum: [eu, us], default: eu}
            tasks:
            - {id: list, bash: {command: "seq -s, {{ params.count }} | sed 's/.*/[&]/'", output: json}}
            """)
        try stage.write(
            "whole.yaml",
            """
            id: whole
            params: {count: 2}
            tasks:
            - {id: parts, run_dag: {dag_id: parts, params: {count: 3, region: us}, output_of: list}, timeout: 1m}
            - {id: letters, bash: {command: "echo '[\\"a\\", \\"b\\"]'", output: json}}
            - {id: each, over: {product: {part: parts, letter: letters}}, bash: "echo {{ element.letter }}{{ element.part }}"}
            - {id: alone, over: parts, bash: "echo {{ element }}"}
            - {id: unequal, over: {zip: {part: parts, letter: letters}}, bash: echo, trigger_rule: all_done}
            """)
        let engine = try stage.engine()
        defer { engine.stop() }
        #expect(engine.text.contains("ready: 2 DAGs"), "\(engine.text)")

        let details = try stage.json("dags", "details", "parts")
        #expect(details.text.contains("How many") && details.text.contains(#""maximum":5"#), "\(details.text)")
        let wrong = try stage.program("dags", "trigger", "parts", "--params", #"{"count": 9}"#)
        #expect(wrong.code == 1 && wrong.errors.contains("the param 'count' is 9; it is at most 5"), "\(wrong)")
        let other = try stage.program("dags", "trigger", "parts", "--conf", #"{"region": "asia", "count": 1}"#)
        #expect(other.code == 1 && other.errors.contains("the param 'region' is one of"), "\(other)")

        #expect(try stage.run("whole", "a")["state"] == "failed")
        func log(_ task: String, _ index: String) throws -> String {
            try stage.program("tasks", "logs", "whole", "a", task, "--map-index", index).output
        }
        #expect(try log("each", "0").contains("a1") && log("each", "1").contains("b1"))
        #expect(try log("each", "5").contains("b3"))
        let mapped = try stage.program("tasks", "logs", "whole", "a", "each")
        #expect(mapped.code == 1 && mapped.errors.contains("is mapped; give --map-index 0 to 5"), "\(mapped)")
        let none = try stage.program("tasks", "clear", "whole", "a", "--task", "each", "--map-index", "9", "-y")
        #expect(none.code == 1 && none.errors.contains("it is mapped over 6 elements"), "\(none)")
        #expect(try log("alone", "2").contains("3"))
        let states = try stage.program("tasks", "states", "whole", "a", "-o", "plain").output
        #expect(states.contains("unequal_elements"), "\(states)")
        let failed = try stage.program("tasks", "logs", "whole", "a", "unequal_elements")
        #expect(failed.output.contains("'parts' has 3, 'letters' has 2"), "\(failed)")
        #expect(try stage.json("dags", "list-runs", "parts").text.contains("started__whole__a__parts"))
    }

    @Test("a DAG of a file is tried without an engine, and what is wrong in files is said") func trial() throws {
        let stage = try Stage()
        defer { stage.folder.remove() }
        try stage.write("one.yaml", Stage.text("one", "echo it works"))
        let right = try stage.program("dags", "test", "one", "--dags", stage.dags)
        #expect(right.code == 0 && right.output.contains("it works"), "\(right)")
        try stage.write("two.yaml", "id: two\ntasks:\n- id: a\n")
        let wrong = try stage.program("dags", "test", "two", "--dags", stage.dags)
        #expect(wrong.code == 1 && wrong.errors.contains("error: two.yaml:3:3: a task has one of"), "\(wrong)")
        let none = try stage.program("dags", "test", "three", "--dags", stage.dags + "/none")
        #expect(none.code == 1 && none.errors.contains("nor are there any in \(stage.dags)/none"), "\(none)")
    }

    @Test("the JSON Schema is printed") func schema() throws {
        let printed = try Program("perch")("dags", "schema")
        #expect(printed.code == 0)
        let schema = try JSONValue(parsing: printed.output)
        #expect(schema["$defs"]?["task"] != nil && schema["properties"]?["schedule"] != nil)
    }

    @Test("the folder is a setting too, and wrong ones are refused") func settings() throws {
        let stage = try Stage()
        defer { stage.folder.remove() }
        try stage.write("one.yaml", Stage.text("one", "echo"))
        let program = Program(
            "perch", environment: ["PERCH_HOME": stage.home, "PERCH__CORE__DAGS_FOLDER": stage.dags])
        #expect(try program("dags", "test", "one").code == 0)
        #expect(try program("dags", "test", "one", "--dags", "").code == 64)
        let other = Program("trial-bundle", environment: ["PERCH__CORE__DAGS_FOLDER": stage.dags])
        #expect(try other("dags", "test", "one").errors.contains("this executable reads no files"))
    }
}
