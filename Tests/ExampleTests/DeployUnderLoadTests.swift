// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

@Suite("Deploying under load", .timeLimit(.minutes(10)))
struct DeployUnderLoadTests {
    private static let source = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../examples/python-bundle/bundle.py").standardized.path
    /// How many versions are deployed; many take a while.
    private static let deploys =
        ProcessInfo.processInfo.environment["PERCH_TEST_DEPLOYS"].flatMap { Int($0) } ?? 4
    private static let tasks = 12
    /// Tasks that take a while, with a step and a sleep; each writes down what it does.
    private static let load = """
        load = DAG("load", params={"folder": "/tmp"})
        for place in range(\(tasks)):
            @load.task(f"t{place}")
            def code(context, place=place):
                def wrote(word):
                    with open(f"{context.params['folder']}/notes", "a") as out:
                        out.write(f"{word} {context.run_id} {place} {context.try_number}\\n")
                context.step("begin", lambda: wrote("began"))
                time.sleep(0.3)
                context.sleep(0.2)
                context.step("end", lambda: wrote("ended"))


        """

    @Test("no attempt fails, and none is made twice, while one version after another is deployed") func load() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let home = folder.path + "/home"
        let program = Program("perch", environment: ["PERCH_HOME": home])
        let text = try String(contentsOfFile: Self.source, encoding: .utf8)
        let mark = "if __name__ =="
        #expect(text.contains(mark) && text.contains("main([orders, trials])"))
        func deploy(_ number: Int) throws {
            let changed = text.replacingOccurrences(of: mark, with: "\(Self.load)# version \(number)\n\(mark)")
                .replacingOccurrences(of: "main([orders, trials])", with: "main([orders, trials, load])")
            let path = folder.path + "/bundle.py"
            try Data(changed.utf8).write(to: URL(filePath: path))
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
            let outcome = try program("bundles", "deploy", path, "--keep", "2")
            #expect(outcome.code == 0, "\(outcome)")
        }
        try deploy(0)
        let engine = try RunningEngine(
            program, home: home, log: folder.path + "/engine.log", arguments: ["--processes", "2"])
        defer { engine.stop() }
        let params = JSONValue.object(["folder": .string(folder.path)]).text
        for number in 1...Self.deploys {
            for part in ["a", "b"] {
                let run = "r\(number)\(part)"
                #expect(try program("dags", "trigger", "load", "--run-id", run, "--params", params).code == 0)
            }
            try deploy(number)
        }
        let runs = (1...Self.deploys).flatMap { ["r\($0)a", "r\($0)b"] }
        for run in runs {
            var state: JSONValue?
            for _ in 0..<600 where state != "success" && state != "failed" {
                state = try JSONValue(parsing: try program("runs", "details", "load", run, "-o", "json").output)[
                    "state"]
            }
            #expect(state == "success", "\(run): \(engine.text)")
        }
        let notes = try String(contentsOfFile: folder.path + "/notes", encoding: .utf8).split(separator: "\n").map(
            String.init)
        // Each once, in the first try.
        let wanted = runs.flatMap { run in
            (0..<Self.tasks).flatMap { ["began \(run) \($0) 1", "ended \(run) \($0) 1"] }
        }
        #expect(notes.sorted() == wanted.sorted())
        #expect(!engine.text.contains(" error "), "\(engine.text)")
        #expect(try program("db", "check").code == 0)
    }
}
