// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchSDK
import PerchTriggersApproval
import PerchTriggersRun
import ProgramTestSupport
import Testing

@testable import PerchCLI

/// A home with a DAG of two approvals, one a sensor and one of a task that was deferred, and of a wait for a run.
private struct AskingHome {
    let folder: Folder
    let program: Program

    init() async throws {
        folder = try Folder()
        program = Program("perch", environment: ["PERCH_HOME": folder.path])
        let form = try TriggerSpec(
            ApprovalTrigger.approval(
                "Deploy?", fields: [.choice("region", ["eu", "us"]), .int("percent", default: 10)]))
        let sensor = try TriggerSpec(ApprovalTrigger.approval("Sure?"))
        let run = try TriggerSpec(RunTrigger.run(of: "elsewhere", which: .id("r1")))
        var definition = DAGDefinition(dagID: "release")
        definition.tasks = [
            TaskDefinition(taskID: "sure", kind: .sensor(SensorDefinition(trigger: sensor))),
            TaskDefinition(taskID: "deploy", kind: .code(operatorName: "closure")),
            TaskDefinition(taskID: "after", kind: .sensor(SensorDefinition(trigger: run))),
        ]
        let dag = definition
        let metastore = try Metastore.open(home: folder.path, access: .engine, clock: SystemClock())
        try await metastore.write { transaction in
            try transaction.storeDAGs([dag], bundle: "default", bundleVersion: "1")
            _ = try transaction.createRun(RunRequest(dagID: "release", runID: "first"))
            while try transaction.advanceRuns(budget: 1000) {}
            let worker = try transaction.registerProcess(
                role: "worker", pid: 1, startTime: 1, bootID: "b", host: "h", lease: .seconds(1))
            for task in try transaction.claim(limit: 1, worker: worker) {
                _ = try transaction.deferTasks([
                    Deferral(
                        taskInstanceID: task.taskInstanceID, dispatchID: task.dispatchID, key: "wait#0", trigger: form,
                        timeout: .seconds(3600), ranFor: .seconds(0))
                ])
            }
        }
        try metastore.close()
    }

    func json(_ arguments: String...) throws -> JSONValue {
        let outcome = try program.run(arguments + ["-o", "json"])
        #expect(outcome.code == 0, "\(outcome)")
        return try JSONValue(parsing: outcome.output)
    }

    func waitID(_ task: String) throws -> String {
        guard case .array(let waits) = try json("deferred", "list", "--task", task),
            case .integer(let id)? = waits.first?["wait_id"]
        else { throw PerchError(.notFound, "nothing waits") }
        return "\(id)"
    }
}

@Suite("Approvals from the command line")
struct ApprovalsTests {
    @Test("questions are listed and shown with their form")
    func show() async throws {
        let home = try await AskingHome()
        defer { home.folder.remove() }
        let list = try home.json("approvals", "list")
        guard case .array(let questions) = list else {
            Issue.record("no list: \(list)")
            return
        }
        #expect(questions.map { $0["question"] } == ["Sure?", "Deploy?"])
        #expect(questions.allSatisfy { $0["dag_id"] == "release" && $0["run_id"] == "first" })
        #expect(try home.program("approvals", "list", "--dag", "other").errors.contains("there is release"))
        #expect(try home.program("approvals", "list", "--limit", "1", "-o", "plain").lines.count == 1)
        let shown = try home.json("approvals", "show", try home.waitID("deploy"))
        #expect(shown["is_sensor"] == false)
        #expect(
            shown["fields"] == [
                [
                    "name": "region", "type": "choice", "label": .null, "required": true, "default": .null,
                    "choices": ["eu", "us"],
                ],
                [
                    "name": "percent", "type": "int", "label": .null, "required": false, "default": 10,
                    "choices": .null,
                ],
            ])
    }

    @Test("an answer is checked before anything is written, the first counts, and the second is told so")
    func answer() async throws {
        let home = try await AskingHome()
        defer { home.folder.remove() }
        let id = try home.waitID("deploy")
        for (arguments, words) in [
            (["--approve"], "the field 'region' is missing: it is one of eu, us"),
            (["--approve", "--set", "region=asia"], "the field 'region' is one of eu, us, not 'asia'"),
            (["--approve", "--set", "region=eu", "--set", "percent=all"], "the field 'percent' is a whole number"),
            (["--reject", "--set", "colour=red"], "there is no field 'colour'"),
        ] {
            let outcome = try home.program.run(["approvals", "answer", id] + arguments)
            #expect(outcome.code == 1 && outcome.output.isEmpty && outcome.errors.contains(words), "\(outcome)")
            #expect(try home.waitID("deploy") == id)
        }
        let byHand = try home.program("deferred", "fire", id, "--payload", "{}")
        #expect(byHand.code == 1 && byHand.errors.contains("approvals answer \(id)"), "\(byHand)")

        let yes = try home.program(
            "approvals", "answer", id, "--approve", "--set", "region=eu", "--note", "looks good", "--by", "anna")
        #expect(yes.code == 0 && yes.output == "approval \(id) of release first deploy is approved\n", "\(yes)")
        #expect(yes.errors.contains("note: no engine is running"))
        let again = try home.program("approvals", "answer", id, "--reject")
        #expect(again.code == 1 && again.errors.contains("wait \(id) is over: it was answered already"), "\(again)")
        let never = try home.program("approvals", "show", "999")
        #expect(never.code == 1 && never.errors.contains("there never was a wait 999"))

        let metastore = try Metastore.open(home: home.folder.path, access: .command, clock: SystemClock())
        let journal = try await metastore.read { snapshot in
            let key = TaskInstanceKey(dagID: "release", runID: "first", taskID: "deploy")
            let id = try snapshot.taskInstance(key)?.taskInstanceID ?? 0
            return try snapshot.journal(taskInstanceID: id, tryNumber: 1)
        }
        try metastore.close()
        let outcome = try JSONValue(parsing: journal.first?.outcome ?? "")
        let recorded = try outcome["event"]?.decode(ApprovalAnswer.self)
        #expect(recorded?.approved == true && recorded?.by == "anna" && recorded?.note == "looks good")
        #expect(recorded?.values == ["region": "eu", "percent": 10])
        #expect(try home.program("db", "check").lines == ["the metastore is sound"])
    }

    @Test("a no fails a sensor and says whose it was; other waits are no approvals")
    func reject() async throws {
        let home = try await AskingHome()
        defer { home.folder.remove() }
        let after = try home.waitID("after")
        let other = try home.program("approvals", "answer", after, "--approve")
        #expect(other.code == 1 && other.errors.contains("is for run elsewhere # r1"), "\(other)")
        let id = try home.waitID("sure")
        let no = try home.program("approvals", "answer", id, "--reject", "--note", "not on a Friday", "--by", "anna")
        #expect(no.code == 0 && no.output.contains("is rejected"))
        guard case .array(let states) = try home.json("tasks", "states", "release", "first") else { return }
        #expect(states.first?["state"] == "failed")
        let log = try home.program("tasks", "logs", "release", "first", "sure")
        #expect(log.output.contains("rejected by anna: not on a Friday"), "\(log)")
    }

    @Test("a wait for a run is explained with how that stands, and fired by hand")
    func run() async throws {
        let home = try await AskingHome()
        defer { home.folder.remove() }
        let id = try home.waitID("after")
        let explained = try home.program("deferred", "explain", id)
        #expect(explained.output.contains("There is no DAG 'elsewhere' yet"), "\(explained)")
        #expect(try home.program("deferred", "fire", id).code == 0)
        guard case .array(let states) = try home.json("tasks", "states", "release", "first") else { return }
        #expect(states.last?["state"] == "success")
    }
}
