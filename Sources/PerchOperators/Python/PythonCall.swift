// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK

/// One call of Python code: a folder that only this user can read, with what is to be run and, in the end, its result. Files,
/// so that neither shows in a process's arguments and nothing that is printed gets between.
struct PythonCall {
    let folder: String

    private var order: String { folder + "/call.json" }
    private var answer: String { folder + "/result.json" }

    /// Writes down what is to be run.
    init(_ code: PythonCode, in context: TaskContext) async throws {
        let temporary = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(temporary)/perch-python-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Self.failure("make a folder in", temporary) }
        folder = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        do {
            try write(try await Self.order(code, in: context).text)
        } catch {
            remove()
            throw error
        }
    }

    private static func order(_ code: PythonCode, in context: TaskContext) async throws -> JSONValue {
        var order: [String: JSONValue] = ["context": facts(of: context)]
        switch code {
        case .script(let text): order["script"] = .string(text)
        case .file(let path): order["file"] = .string(try await context.render(path))
        case .function(let name, let place, let arguments):
            order["function"] = .string(name)
            order["place"] = .string(try await context.render(place))
            order["arguments"] = try await context.render(.object(arguments))
        }
        return .object(order)
    }

    private static func facts(of context: TaskContext) -> JSONValue {
        .object([
            "dag_id": .string(context.dagID), "run_id": .string(context.runID), "task_id": .string(context.taskID),
            "map_index": .integer(Int64(context.mapIndex)), "try_number": .integer(Int64(context.tryNumber)),
            "logical_date": .string(context.ts), "ds": .string(context.ds),
            "data_interval_start": .string(context.dataIntervalStart.description),
            "data_interval_end": .string(context.dataIntervalEnd.description), "params": context.params,
        ])
    }

    private func write(_ text: String) throws {
        guard let file = fopen(order, "w") else { throw Self.failure("write", order) }
        var text = text
        let isWritten = text.withUTF8 { fwrite($0.baseAddress, 1, $0.count, file) == $0.count }
        guard fclose(file) == 0, isWritten else { throw Self.failure("write", order) }
    }

    /// What the code gave: JSON text.
    func result(atMost limit: Int) throws -> String {
        var status = stat()
        guard stat(answer, &status) == 0 else {
            if errno == ENOENT { throw NonRetryable("the Python code ended its process before its result was written") }
            throw Self.failure("read", answer)
        }
        guard status.st_size <= limit else {
            throw NonRetryable(
                "the result of the Python code is \(status.st_size) bytes of JSON; it may have \(limit): give its place instead"
            )
        }
        guard let file = fopen(answer, "r") else { throw Self.failure("read", answer) }
        defer { fclose(file) }
        let bytes = [UInt8](unsafeUninitializedCapacity: Int(status.st_size)) { buffer, count in
            count = fread(buffer.baseAddress, 1, buffer.count, file)
        }
        guard bytes.count == Int(status.st_size) else { throw Self.failure("read", answer) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Takes the folder away. What cannot be removed is left to whoever cleans the temporary folder.
    func remove() {
        for path in [order, answer, answer + ".part"] { unlink(path) }
        rmdir(folder)
    }

    private static func failure(_ what: String, _ path: String) -> PerchError {
        PerchError(.unavailable, "cannot \(what) \(path): \(String(cString: strerror(errno)))")
    }

    /// The program that makes the call.
    static let runner = """
        import asyncio, importlib, importlib.util, inspect, json, os, runpy, sys, traceback

        folder = sys.argv.pop()
        sys.argv[0] = "python"
        with open(os.path.join(folder, "call.json"), encoding="utf-8") as file:
            call = json.load(file)
        context = call["context"]


        def module_at(place):
            if not place.endswith(".py"):
                sys.path.insert(0, os.getcwd())
                return importlib.import_module(place)
            place = os.path.abspath(place)
            sys.path.insert(0, os.path.dirname(place))
            name = os.path.splitext(os.path.basename(place))[0]
            spec = importlib.util.spec_from_file_location(name, place)
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            spec.loader.exec_module(module)
            return module


        def run():
            if "script" in call:
                scope = {"__name__": "__main__", "context": context}
                exec(compile(call["script"], "<script>", "exec"), scope)
                return scope.get("result")
            if "file" in call:
                sys.argv[0] = call["file"]
                sys.path.insert(0, os.path.dirname(os.path.abspath(call["file"])))
                return runpy.run_path(call["file"], {"context": context}, "__main__").get("result")
            function = module_at(call["place"])
            for name in call["function"].split("."):
                function = getattr(function, name)
            arguments = call["arguments"]
            if "context" not in arguments and "context" in inspect.signature(function).parameters:
                arguments["context"] = context
            result = function(**arguments)
            return asyncio.run(result) if inspect.iscoroutine(result) else result


        try:
            result = run()
        except Exception as error:
            # The frames of this program are nobody's business.
            frames = error.__traceback__
            while frames and frames.tb_frame.f_globals is globals():
                frames = frames.tb_next
            traceback.print_exception(type(error), error, frames)
            sys.exit(1)
        try:
            text = json.dumps(result, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            print(f"the result is no JSON: {error}", file=sys.stderr)
            sys.exit(1)
        path = os.path.join(folder, "result.json")
        with open(path + ".part", "w", encoding="utf-8", errors="surrogatepass") as file:
            file.write(text)
        os.rename(path + ".part", path)
        """
}
