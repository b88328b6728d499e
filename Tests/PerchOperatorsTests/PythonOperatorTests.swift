// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import Synchronization
import Testing

@testable import PerchOperators

@Suite("Python code", .timeLimit(.minutes(2)))
struct PythonOperatorTests {
    private struct Sum: Codable, Sendable, Equatable {
        var total: Int
        var names: [String]
    }

    private func run<Value>(_ python: PythonOperator<Value>) async throws -> (output: Value, lines: [String]) {
        let runtime = RecordingRuntime()
        let output = try await python.execute(TaskContext(runtime: runtime))
        return (output, runtime.lines.withLock { $0 })
    }

    private func failure(_ script: String) async -> String {
        do {
            let given = try await run(PythonOperator(.script(script), returning: JSONValue.self))
            return "no failure: \(given.output.text)"
        } catch {
            return "\(error)"
        }
    }

    private func folder() throws -> String {
        let path = NSTemporaryDirectory() + "perch-python-test-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    @Test("the variable 'result' of a script is the output, typed; what it prints goes into the log and nowhere else")
    func script() async throws {
        let (sum, lines) = try await run(
            PythonOperator(
                .script(
                    """
                    import sys
                    print("one"); print('{"total": 0}'); print("two", file=sys.stderr)
                    sys.stdout.buffer.write(b"\\xff\\x00\\n")
                    result = {"total": sum(range(5)), "names": ["ä", "{{ ds }}", context["ds"]]}
                    """), returning: Sum.self))
        #expect(sum == Sum(total: 10, names: ["ä", "{{ ds }}", "2026-01-01"]))
        #expect(lines.contains("info one") && lines.contains("warning two"))
        #expect(try await run(PythonOperator(.script("pass"), returning: JSONValue.self)).output == .null)
    }

    @Test(
        "functions of files and modules are called by name with rendered arguments, and with the context if they take it"
    )
    func functions() async throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }  // because nothing else of the test may hide it
        let text = """
            import helper
            def add(left, right, context):
                return {"sum": left + right, "of": context["task_id"], "who": context["params"]["name"]}
            async def later(text): return helper.shout(text)
            class Tools:
                @staticmethod
                def count(items): return len(items)
            result = "as a file: " + __name__
            """
        try Data(text.utf8).write(to: URL(filePath: folder + "/own.py"))
        try Data("def shout(text): return text.upper()".utf8).write(to: URL(filePath: folder + "/helper.py"))
        func call(_ name: String, _ place: String, _ arguments: [String: JSONValue]) async throws -> JSONValue {
            try await run(
                PythonOperator(.function(name, of: place, arguments: arguments), workingDirectory: folder)
            ).output
        }
        #expect(
            try await call("add", folder + "/own.py", ["left": 1, "right": 2]) == ["sum": 3, "of": "t", "who": "Ann"])
        #expect(try await call("later", "own", ["text": "for {{ params.name }}"]) == "FOR ANN")
        #expect(try await call("Tools.count", "own", ["items": [1, 2, 3]]) == 3)
        let file = try await run(PythonOperator(.file(folder + "/own.py"), returning: String.self))
        #expect(file.output == "as a file: __main__")
        let used: PythonOperator<Int> = .python(
            function: "Tools.count", of: "own", arguments: ["items": []], workingDirectory: folder, returning: Int.self)
        #expect(try await run(used).output == 0)
    }

    @Test("an exception fails the try with its type and message, and the log has where it came from")
    func exceptions() async throws {
        #expect(await failure("def f(): raise ValueError('no such order')\nf()") == "ValueError: no such order")
        let runtime = RecordingRuntime()
        let python = PythonOperator(.script("x = 1\nraise KeyError('k')"), returning: JSONValue.self)
        await #expect(throws: (any Error).self) { try await python.execute(TaskContext(runtime: runtime)) }
        let lines = runtime.lines.withLock { $0 }
        #expect(lines.contains { $0.contains("<script>") && $0.contains("line 2") }, "\(lines)")
        #expect(!lines.contains { $0.contains("runner") || $0.contains("line 5") && $0.contains("<string>") })
        #expect(await failure("this is no Python").contains("SyntaxError"))
        #expect(await failure("import nothing_of_this_name").contains("ModuleNotFoundError"))
        #expect(await failure("import sys; sys.exit(3)").contains("exited with code 3"))
        #expect(await failure("import os; os.kill(os.getpid(), 9)").contains("died of signal 9"))
        #expect(await failure("import os; os._exit(0)").contains("before its result was written"))
        #expect(await failure("import sys; sys.exit(99)").contains("99"))
        await #expect(throws: SkipTask.self) {
            try await run(PythonOperator(.script("import sys; sys.exit(99)"), returning: JSONValue.self))
        }
    }

    @Test("a result that is no JSON, of another type, or too large is refused with the reason")
    func results() async throws {
        #expect(await failure("result = object()").contains("no JSON"))
        #expect(await failure("result = float('nan')").contains("no JSON"))
        #expect(await failure("result = []\nresult.append(result)").contains("no JSON"))
        await #expect {
            try await run(PythonOperator(.script("result = 'x'"), returning: Int.self))
        } throws: { "\($0)".contains("wanted was Int") }
        await #expect {
            try await run(
                PythonOperator(.script("result = 'x' * 1000"), maximumOutputSize: 100, returning: String.self))
        } throws: { "\($0)".contains("1002 bytes of JSON; it may have 100") }
    }

    @Test("the interpreter is found on the path, as a file or in a virtual environment, and missed with words")
    func interpreters() async throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }  // because nothing else of the test may hide it
        try FileManager.default.createDirectory(atPath: folder + "/venv/bin", withIntermediateDirectories: true)
        let real = try PythonInterpreter.find("python3")
        try FileManager.default.createSymbolicLink(atPath: folder + "/venv/bin/python3", withDestinationPath: real)
        for name in ["python3", real, folder + "/venv"] {
            let python = PythonOperator(.script("result = 1"), interpreter: name, returning: Int.self)
            #expect(try await run(python).output == 1)
        }
        #expect(throws: NonRetryable.self) { try PythonInterpreter.find("python-of-nowhere") }
        #expect(throws: NonRetryable.self) { try PythonInterpreter.find(folder) }
    }

    @Test("a cancelled call ends with everything that it started, and leaves no file") func cancel() async throws {
        let (stream, continuation) = AsyncStream.makeStream(of: String.self)
        let runtime = RecordingRuntime { continuation.yield($0) }
        let python = PythonOperator(
            .script(
                "import subprocess, time\nchild = subprocess.Popen(['sleep', '3600'])\nprint(child.pid)\ntime.sleep(3600)"
            ),
            killGrace: .milliseconds(100), returning: JSONValue.self)
        let task = Task { try await python.execute(TaskContext(runtime: runtime)) }
        var lines = stream.makeAsyncIterator()
        let pid = try #require(await lines.next().flatMap { Int32($0) })
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(isGone(pid))
    }

    @Test("what cannot be Python code is refused where it is declared") func problems() {
        func problems(_ code: PythonCode) -> [String] { PythonOperator<JSONValue>(code).problems }
        #expect(problems(.script(" \n")).count == 1)
        #expect(problems(.file("")).count == 1)
        #expect(problems(.function("f()", of: "m")).count == 1)
        #expect(problems(.function("f", of: "")).count == 1)
        #expect(problems(.function("f", of: "m", arguments: ["a-b": 1])).count == 1)
        #expect(problems(.function("C.f", of: "m", arguments: ["a_b": 1])).isEmpty)
        #expect(PythonOperator<JSONValue>(.script("x"), environment: ["=": ""]).problems.count == 1)
        #expect(
            PythonOperator<JSONValue>(.function("f", of: "{{ ds }}", arguments: ["a": ["{{ ts }}"]])).templates
                == ["python3", "{{ ds }}", "{{ ts }}"])
    }
}
