// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

/// A bundle whose DAGs are tested where there is no home, and a place for temporary files of its own.
private struct Trial {
    let folder: Folder
    var program: Program

    init(_ name: String = "trial-bundle") throws {
        folder = try Folder()
        try FileManager.default.createDirectory(atPath: folder.path + "/tmp", withIntermediateDirectories: false)
        program = Program(name, environment: ["PERCH_HOME": folder.path + "/home", "TMPDIR": folder.path + "/tmp"])
    }

    func run(_ arguments: String...) throws -> Program.Outcome { try program.run(arguments) }

    /// The summary as JSON, by task id; of a mapped task the last instance.
    func summary(_ arguments: String..., code: Int32 = 0) throws -> [String: JSONValue] {
        let outcome = try program.run(arguments + ["-o", "json"])
        #expect(outcome.code == code, "\(outcome)")
        guard case .array(let rows) = try JSONValue(parsing: outcome.output) else { return [:] }
        var found: [String: JSONValue] = [:]
        for row in rows { if case .string(let id)? = row["task_id"] { found[id] = row } }
        return found
    }

    /// Tests a DAG and interrupts it, as a person does with Ctrl-C, once it has said something. Gives the exit code.
    func interrupt(_ dag: String, after sign: String) throws -> Int32 {
        // A shell with job control: without it the child would ignore the signal, as one in the background does.
        let script = """
            set -m
            "$0" dags test "$1" > "$2" & child=$!
            until grep -q "$3" "$2"; do :; done
            kill -INT $child; wait $child; exit $?
            """
        let shell = Process()
        shell.executableURL = URL(filePath: "/bin/bash")
        shell.arguments = ["-c", script, program.path, dag, folder.path + "/out", sign]
        shell.environment = program.environment.merging(["PATH": "/usr/bin:/bin"]) { $1 }
        try shell.run()
        shell.waitUntilExit()
        return shell.terminationStatus
    }

    /// Nothing is left: no home of the user's, nothing temporary.
    func finish() throws {
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/home"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/tmp").isEmpty)
        folder.remove()
    }
}

@Suite("Testing a DAG and a task without a home", .timeLimit(.minutes(2)))
struct TrialTests {
    @Test("a run that succeeds is told line by line, with what its code printed, and summed up")
    func success() throws {
        let trial = try Trial()
        let outcome = try trial.run("dags", "test", "sums", "--params", #"{"by": 10}"#)
        #expect(outcome.code == 0, "\(outcome)")
        #expect(outcome.output.contains("INFO adds 3 numbers"), "\(outcome)")
        #expect(outcome.lines.contains("printed by the task"), "\(outcome)")
        #expect(outcome.lines.contains { $0.hasPrefix("doubled[2] ") && $0.hasSuffix(" success 30") }, "\(outcome)")
        #expect(outcome.lines.contains { $0.hasPrefix("TASK_ID") }, "\(outcome)")
        #expect(outcome.lines.last?.hasPrefix("sum ") == true, "\(outcome)")
        let summary = try trial.summary("dags", "test", "sums", "--logical-date", "2026-01-01")
        #expect(summary["sum"]?["output"] == 12)
        #expect(summary["sum"]?["state"] == "success")
        try trial.finish()
    }

    @Test("a run that fails ends with exit code 1 and says which task it was; fast forward does not wait for a retry")
    func failure() throws {
        let trial = try Trial()
        let outcome = try trial.run("dags", "test", "breaks", "--fast-forward")
        #expect(outcome.code == 1, "\(outcome)")
        #expect(outcome.errors.split(separator: "\n") == ["error: the run failed; failed: broken"], "\(outcome)")
        #expect(outcome.output.contains("… 1h pass"), "\(outcome)")
        #expect(outcome.output.contains("up_for_retry") && outcome.output.contains("upstream_failed"), "\(outcome)")
        let summary = try trial.summary("dags", "test", "breaks", "--fast-forward", code: 1)
        #expect(summary["broken"]?["tries"] == 2)
        try trial.finish()
    }

    @Test("fast forward jumps over thirty days, and the code sees that they passed")
    func sleep() throws {
        let trial = try Trial()
        let outcome = try trial.run("dags", "test", "sleeps", "--fast-forward")
        #expect(outcome.code == 0, "\(outcome)")
        #expect(outcome.output.contains("… 30d pass"), "\(outcome)")
        #expect(outcome.output.contains("INFO slept 30 days"), "\(outcome)")
        try trial.finish()
    }

    @Test("fast forward jumps from one sleep of an async trigger to the next, and not to the deadline of its wait")
    func hosted() throws {
        let trial = try Trial()
        let outcome = try trial.run("dags", "test", "looks", "--fast-forward")
        #expect(outcome.code == 0, "\(outcome)")
        #expect(outcome.output.contains("… 1h pass") && outcome.output.contains("INFO look 3"), "\(outcome)")
        let summary = try trial.summary("dags", "test", "looks", "--fast-forward")
        #expect(summary["again"]?["output"] == 6)
        try trial.finish()
    }

    @Test("a file that is missing runs into its timeout under fast forward; one that is there is found first")
    func files() throws {
        let trial = try Trial()
        let params = #"{"folder": "\#(trial.folder.path)"}"#
        let missing = try trial.run("dags", "test", "lands", "--fast-forward", "--params", params)
        #expect(missing.code == 1, "\(missing)")
        #expect(missing.output.contains("waits for file \(trial.folder.path)/in.csv"), "\(missing)")
        #expect(missing.output.contains("… 6h pass"), "\(missing)")
        try Data("x".utf8).write(to: URL(filePath: trial.folder.path + "/in.csv"))
        let found = try trial.run("dags", "test", "lands", "--fast-forward", "--params", params)
        #expect(found.code == 0 && !found.output.contains(" pass"), "\(found)")
        let settled = try trial.run("dags", "test", "settles", "--fast-forward", "--params", params)
        #expect(settled.code == 0 && settled.output.contains("… 1h pass"), "\(settled)")
        try trial.finish()
    }

    @Test("what a task brings about for a wait is found before time passes")
    func meetings() throws {
        let trial = try Trial()
        let params = #"{"folder": "\#(trial.folder.path)"}"#
        let outcome = try trial.run("dags", "test", "meets", "--fast-forward", "--params", params)
        #expect(outcome.code == 0, "\(outcome)")
        #expect(outcome.output.contains("… 1m pass") && !outcome.output.contains("… 1h pass"), "\(outcome)")
        try trial.finish()
    }

    @Test("an event is there from the start where it is given")
    func events() throws {
        let trial = try Trial()
        let summary = try trial.summary("dags", "test", "approved", "--event", "orders.approved=7")
        #expect(summary["ship"]?["output"] == 7)
        let late = try trial.run("dags", "test", "approved", "--event", "orders.other", "--fast-forward")
        #expect(late.code == 1 && late.output.contains("… 7d pass"), "\(late)")
        try trial.finish()
    }

    @Test("a run is ended after its time on the wall, and after a signal; nothing is left")
    func ends() throws {
        let trial = try Trial()
        let late = try trial.run("dags", "test", "approved", "--timeout", "100ms")
        #expect(late.code == 1 && late.errors.contains("it took longer than 100ms"), "\(late)")
        for (dag, sign) in [("approved", "deferred"), ("hangs", "INFO hangs")] {
            let stopped = try trial.interrupt(dag, after: sign)
            #expect(stopped == 130, "\(dag)")
        }
        let hung = try trial.run("dags", "test", "hangs", "--timeout", "100ms")
        #expect(hung.code == 1 && hung.errors.contains("it took longer than 100ms"), "\(hung)")
        try trial.finish()
    }

    @Test(
        "an output that is too long for a row is told by its length and read as it is; one that is too long at all fails"
    )
    func longOutputs() throws {
        var trial = try Trial()
        trial.program.environment["PERCH__OUTPUTS__INLINE_SIZE"] = "3"
        let outcome = try trial.run("dags", "test", "sums")
        #expect(outcome.code == 0 && outcome.output.contains(" success (7 bytes)"), "\(outcome)")
        let summary = try trial.summary("dags", "test", "sums")
        #expect(summary["numbers"]?["output"] == [1, 2, 3] && summary["sum"]?["output"] == 12, "\(summary)")
        trial.program.environment["PERCH__OUTPUTS__MAX_SIZE"] = "6"
        let failed = try trial.summary("dags", "test", "sums", code: 1)
        guard case .string(let message)? = failed["numbers"]?["message"] else {
            Issue.record("\(failed)")
            return
        }
        #expect(message.contains("7 bytes") && message.contains("outputs.max_size allows 6"), "\(message)")
        try trial.finish()
    }

    @Test("templates know that a run is a test")
    func testMode() throws {
        let trial = try Trial()
        let load = try trial.summary("tasks", "test", "renders", "load")
        #expect(load["load"]?["output"] == "o'clock Fields with templates true", "\(load)")
        try trial.finish()
    }

    @Test("one task runs alone with the inputs that are given")
    func task() throws {
        let trial = try Trial()
        let sum = try trial.summary("tasks", "test", "sums", "sum", "--input", "doubled=[4, 5]")
        #expect(sum.count == 1 && sum["sum"]?["output"] == 9, "\(sum)")
        let element = try trial.summary(
            "tasks", "test", "sums", "doubled", "--map-element", "21", "--params", #"{"by": 2}"#)
        #expect(element["doubled"]?["output"] == 42)
        let grouped = try trial.summary(
            "tasks", "test", "groups", "each.plus", "--map-element", "3", "--input", "each.doubled=6")
        #expect(grouped["each.plus"]?["output"] == 9, "\(grouped)")
        let slept = try trial.summary("tasks", "test", "sleeps", "sleep", "--fast-forward")
        #expect(slept["sleep"]?["output"] == "30 days")
        let once = try trial.summary("tasks", "test", "breaks", "broken", code: 1)
        #expect(once["broken"]?["tries"] == 1)
        let sensor = try trial.run("tasks", "test", "approved", "approval", "--event", "orders.approved=7")
        #expect(sensor.code == 0 && sensor.output.contains("waits for event"), "\(sensor)")
        try trial.finish()
    }

    @Test(
        "what is missing or wrong is one line that says what would be right",
        arguments: [
            ("dags test nope", 1, "approved"), ("dags test sums --params {", 64, "--params"),
            ("dags test sums --params 3", 64, "object"), ("dags test sums --logical-date x", 64, "2026-01-01"),
            ("dags test sums --timeout 5", 64, "unit"), ("dags test sums --event =1", 64, "name"),
            ("dags test sums --event a={", 64, "--event a"), ("dags test", 64, "dag"),
            ("tasks test sums nope", 1, "doubled"), ("tasks test sums sum", 64, "doubled (the outputs"),
            ("tasks test sums sum --input x", 64, "NAME=JSON"),
            ("tasks test sums sum --input other=1", 64, "doubled"),
            ("tasks test sums sum --input doubled=1", 64, "array"),
            ("tasks test sums sum --input doubled={", 64, "--input doubled"),
            ("tasks test sums doubled", 64, "--map-element"),
            ("tasks test sums numbers --map-element 1", 64, "not mapped"),
            ("tasks test groups each.plus --map-element 1", 64, "each.doubled (the output of the task)"),
            ("tasks test lands load", 64, "the event of the sensor, file"),
        ])
    func wrong(line: String, code: Int32, part: String) throws {
        let trial = try Trial()
        let outcome = try trial.program.run(line.split(separator: " ").map(String.init))
        #expect(outcome.code == code, "\(outcome)")
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.split(separator: "\n").count == 1 && outcome.errors.contains(part), "\(outcome.errors)")
        try trial.finish()
    }

    @Test("mistakes in declarations are shown as the engine shows them; an executable without DAGs says so")
    func declarations() throws {
        let faulty = try Trial("faulty-bundle")
        let refused = try faulty.run("dags", "test", "cron")
        #expect(refused.code == 1)
        #expect(refused.errors.split(separator: "\n").filter { $0.contains("Faulty.swift:") }.count >= 5, "\(refused)")
        try faulty.finish()
        let stock = try Trial("perch")
        let none = try stock.run("dags", "test", "x")
        #expect(none.code == 1 && none.errors.contains("perch has no DAGs of its own"), "\(none)")
        try stock.finish()
    }
}
