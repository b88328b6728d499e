// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

@Suite("bundles check", .timeLimit(.minutes(3)))
struct BundlesCheckTests {
    private let folder: Folder

    init() throws { folder = try Folder() }

    /// A script that is started as a bundle.
    private func script(_ text: String, mode: Int = 0o755) throws -> String {
        let path = folder.path + "/bundle-\(UUID().uuidString.prefix(8))"
        try Data(text.utf8).write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        return path
    }

    private func check(_ path: String, _ more: String...) throws -> Program.Outcome {
        try Program("perch").run(["bundles", "check", path] + more)
    }

    @Test("a bundle in Swift passes, with and without a task that may be run") func swift() throws {
        defer { folder.remove() }
        let plain = try check(Program("trial-bundle").path, "-o", "json")
        #expect(plain.code == 0, "\(plain)")
        guard case .array(let checks) = try JSONValue(parsing: plain.output) else {
            Issue.record("\(plain)")
            return
        }
        let results = checks.map { $0["result"] }
        #expect(results == Array(repeating: "pass", count: 15) + Array(repeating: "skip", count: 4), "\(plain.output)")
        let stock = try check(Program("perch").path)
        #expect(stock.code == 0 && stock.lines.first?.hasPrefix("pass  hello ") == true, "\(stock)")
    }

    @Test("what cannot be started is one clear line and nothing is tried") func unstartable() throws {
        defer { folder.remove() }
        for (path, words) in [
            (folder.path + "/none", "there is no file"), (folder.path, "is a directory"),
            ("/dev/null", "is no regular file"), (try script("#!/bin/sh\n", mode: 0o644), "may not be executed by"),
        ] {
            let outcome = try check(path)
            #expect(outcome.code == 1 && outcome.output.isEmpty && outcome.errors.contains(words), "\(outcome)")
            #expect(outcome.errors.split(separator: "\n").count == 1)
        }
        for text in ["no program at all\n", "#!/no/such/interpreter\n"] {
            let outcome = try check(try script(text))
            #expect(outcome.code == 1 && outcome.output.isEmpty, "\(outcome)")
            #expect(outcome.errors.contains("cannot be started"), "\(outcome)")
        }
    }

    @Test(
        "wrong arguments are wrong usage",
        arguments: [
            "", "/bin/true --timeout soon", "/bin/true --timeout 0s", "/bin/true --timeout 2d", "/bin/true --task x",
            "/bin/true --task x/", "/bin/true --task x/y/z", "/bin/true /bin/true", "/bin/true -o xml",
        ])
    func usage(line: String) throws {
        defer { folder.remove() }
        let outcome = try Program("perch").run(["bundles", "check"] + line.split(separator: " ").map(String.init))
        #expect(outcome.code == 64 && outcome.output.isEmpty, "\(outcome)")
        #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
    }

    @Test("an executable that is no bundle fails at its hello, and that is said") func noBundle() throws {
        defer { folder.remove() }
        let silent = "#!/bin/sh\nread line\nsleep 100 & sleep 100\n"
        for (path, words) in [
            ("/bin/true", "exited with code 0 where more was due"),
            ("/bin/cat", "exited with code 1 where more was due"),
            (try script(silent), "has said nothing where a 'hello' was due, for 500ms"),
            (try script("#!/bin/sh\necho about to fail >&2\nexit 3\n"), "exited with code 3"),
        ] {
            let outcome = try check(path, "--timeout", "500ms")
            #expect(outcome.code == 1 && outcome.lines.count == 1, "\(outcome)")
            #expect(outcome.lines.first?.hasPrefix("fail  hello ") == true, "\(outcome)")
            #expect(outcome.output.contains(words), "\(path) \(outcome)")
            #expect(outcome.errors.contains("is no bundle that this engine can use"), "\(outcome)")
        }
        let last = try check(try script("#!/bin/sh\necho about to fail >&2\nexit 3\n"))
        #expect(last.output.contains("its last words: about to fail"), "\(last)")
    }

    /// A bundle in Python that does one thing wrong.
    private func faulty(_ change: String) throws -> String {
        let source = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../examples/python-bundle/bundle.py").standardized
        let text = try String(contentsOf: source, encoding: .utf8)
        let marker = "if __name__ == \"__main__\":"
        #expect(text.contains(marker))
        return try script(text.replacingOccurrences(of: marker, with: change + "\n\n\n" + marker))
    }

    @Test(
        "what a bundle does wrong fails the check that is about it",
        arguments: [
            ("LONGEST_FRAME = 1 << 40", "too long a frame", "goes on"),
            ("LONGEST_FRAME = 1 << 20", "longest frame", "its last words: bundle.py: the engine broke the protocol"),
            ("VERSION, OLDEST_VERSION = 9, 9", "hello", "version 9 of the protocol, this engine versions 1 to"),
            ("VERSION, OLDEST_VERSION = 0, 0", "hello", "build the bundle anew for one of versions 1 to"),
            ("Bundle.version = property(lambda self: '', lambda self, value: None)", "hello", "no 'bundle_version'"),
            (
                "Bundle.version = property(lambda self: str(os.getpid()), lambda self, value: None)", "hello",
                "another 'bundle_version' at each start"
            ),
            ("orders.definition['tasks'][0]['upstream'] = [7]", "describe", "describes what no engine takes"),
            (
                "handle = Bundle.handle\n"
                    + "Bundle.handle = lambda self, type, message: None if type.startswith('x-') else "
                    + "handle(self, type, message)", "unknown message", "has said nothing where an 'unknown' was due"
            ),
            ("Bundle.end_if_drained = lambda self: None", "drain", "goes on"),
            (
                "steps.__code__ = (lambda context: context.step('one', time.time) and context.sleep(1)).__code__\n"
                    + "Context._next = lambda self, name: (name, None)", "run", "although its journal has it"
            ),
        ])
    func wrong(change: String, check name: String, words: String) throws {
        defer { folder.remove() }
        let path = try faulty(change)
        let outcome = try check(path, "--timeout", "3s", "--task", "python_trials/steps")
        #expect(outcome.code == 1, "\(outcome)")
        let failed = outcome.lines.filter { $0.hasPrefix("fail") }
        #expect(failed.contains { $0.hasPrefix("fail  \(name) ") && $0.contains(words) }, "\(outcome)")
    }

    @Test("a task that is not there is named with those that are") func unknownTask() throws {
        defer { folder.remove() }
        let path = try faulty("")
        for (task, words) in [
            ("python_trial/steps", "the bundle has no DAG 'python_trial'"),
            ("python_trials/step", "has no task 'step'"), ("python_orders/landed", "a bundle never runs it"),
        ] {
            let outcome = try check(path, "--task", task)
            #expect(outcome.code == 1 && outcome.errors.contains(words), "\(outcome)")
        }
    }
}
