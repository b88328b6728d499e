// SPDX-License-Identifier: Apache-2.0

internal import PerchProcess
public import PerchSDK

/// What Python code is run.
public enum PythonCode: Hashable, Sendable {
    /// A text. Its variable `result`, where it has one, is the task's output.
    case script(String)
    /// A file, run as a program; its variable `result` is the task's output. The path may hold templates.
    case file(String)
    /// A function of a module, or of a file: what it returns is the task's output.
    ///
    /// - Parameters:
    ///   - name: `function`, or `Class.method`.
    ///   - of: A module that can be imported, `warehouse.load`, or a file, `/srv/dags/load.py`. May hold templates.
    ///   - arguments: Its arguments by name. Strings in them may hold templates.
    case function(_ name: String, of: String, arguments: [String: JSONValue] = [:])
}

/// Runs Python code in a process of its own, and gives its result.
///
/// - The result is JSON: what `json.dumps` writes of it. It goes past the standard output, so that code may print what it
///   likes; prints and tracebacks go into the attempt's log, line by line, while the code runs.
/// - An exception fails the try with its type and message. Exit code 99 (`sys.exit(99)`) skips the task.
/// - Scripts and files have a variable `context`, and functions that take an argument `context` are given it: a dictionary with
///   `dag_id`, `run_id`, `task_id`, `map_index`, `try_number`, `logical_date`, `data_interval_start`, `data_interval_end`,
///   `ds` and `params`. The variables of `BashOperator` are in the environment, too.
/// - A cancelled task, and one that runs into its timeout, ends as a `BashOperator` does: its whole process group is sent
///   SIGTERM, and after `killGrace` SIGKILL.
public struct PythonOperator<Value: Codable & Sendable>: Operator {
    public typealias Output = Value

    public var code: PythonCode
    /// The program: a name to be found on the path, a file, or the folder of a virtual environment. May hold templates.
    public var interpreter: String
    /// Variables over those of the bundle process. Values may hold templates.
    public var environment: [String: String]
    /// Where the code runs; nil: where the engine was started. May hold templates.
    public var workingDirectory: String?
    /// The longest result, in bytes of JSON.
    public var maximumOutputSize: Int
    /// How long the code has to end by itself after SIGTERM.
    public var killGrace: Duration

    public static var operatorName: String { "PythonOperator" }

    /// Code with its surroundings.
    public init(
        _ code: PythonCode, interpreter: String = "python3", environment: [String: String] = [:],
        workingDirectory: String? = nil, maximumOutputSize: Int = 4 << 20, killGrace: Duration = .seconds(10),
        returning type: Value.Type = Value.self
    ) {
        self.code = code
        self.interpreter = interpreter
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.maximumOutputSize = maximumOutputSize
        self.killGrace = killGrace
    }

    /// Everything that may hold templates; scripts are no templates, for braces mean something in Python.
    public var templates: [String] {
        var found = [interpreter] + environment.sorted { $0.key < $1.key }.map(\.value)
        found += [workingDirectory].compactMap(\.self)
        switch code {
        case .script: break
        case .file(let path): found.append(path)
        case .function(_, let place, let arguments):
            found.append(place)
            for (_, value) in arguments.sorted(by: { $0.key < $1.key }) { Self.collect(value, &found) }
        }
        return found
    }

    private static func collect(_ value: JSONValue, _ found: inout [String]) {
        switch value {
        case .null, .bool, .integer, .number: break
        case .string(let text): found.append(text)
        case .array(let elements): for element in elements { collect(element, &found) }
        case .object(let members):
            for (_, member) in members.sorted(by: { $0.key < $1.key }) { collect(member, &found) }
        }
    }

    /// No code, or a name that nothing in Python can have.
    public var problems: [String] {
        var found = CommandEnvironment.problems(of: environment)
        switch code {
        case .script(let text):
            if text.allSatisfy(\.isWhitespace) { found.append("the script is empty") }
        case .file(let path):
            if path.isEmpty { found.append("the path of the file is empty") }
        case .function(let name, let place, let arguments):
            if !Self.isName(name, dotted: true) { found.append("'\(name.shown(80))' is no name of a function") }
            if place.isEmpty { found.append("a function is of a module, or of a file that ends with .py") }
            for argument in arguments.keys.sorted() where !Self.isName(argument, dotted: false) {
                found.append("'\(argument.shown(80))' is no name of an argument")
            }
        }
        if interpreter.isEmpty { found.append("the interpreter is empty; python3 is found on the path") }
        if maximumOutputSize < 1 { found.append("maximumOutputSize is \(maximumOutputSize); it is a number from 1") }
        if killGrace < .zero { found.append("killGrace is negative") }
        return found
    }

    private static func isName(_ text: String, dotted: Bool) -> Bool {
        let parts = dotted ? text.split(separator: ".", omittingEmptySubsequences: false) : [text[...]]
        return parts.allSatisfy { part in
            guard let first = part.first, first.isLetter || first == "_" else { return false }
            return part.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" }
        }
    }

    /// Runs the code to its end.
    public func execute(_ context: TaskContext) async throws -> Value {
        let program = try PythonInterpreter.find(try context.render(interpreter))
        let directory = try workingDirectory.map { try context.render($0) }
        var variables = ["PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"]
        for (name, value) in environment { variables[name] = try context.render(value) }
        let call = try PythonCall(code, in: context)
        defer { call.remove() }

        let log = context.log
        let run = ShellRun(
            path: program, arguments: [program, "-c", PythonCall.runner, call.folder],
            environment: CommandEnvironment.variables(of: context, adding: variables), directory: directory,
            killGrace: killGrace
        ) { line, isError in
            if isError { log.warning(line) } else { log.info(line) }
        }
        let ended = try await run.run()
        try Task.checkCancellation()
        switch ended.status {
        case .code(0): break
        case .code(BashOperator.skipCode): throw SkipTask("the Python code exited with code \(BashOperator.skipCode)")
        case .code(1) where !ended.lastError.isEmpty: throw PythonFailed(description: ended.lastError)
        case .code(let code): throw CommandFailed("the Python code exited with code \(code)", ended)
        case .signal: throw CommandFailed("the Python code \(ended.status)", ended)
        }
        let text = try call.result(atMost: maximumOutputSize)
        do {
            return try JSONValue(parsing: text).decode(Value.self)
        } catch {
            throw NonRetryable("the Python code gave \(text.shown(200)), wanted was \(Value.self): \(error)")
        }
    }
}

/// An exception of Python code, in the last line of its traceback.
struct PythonFailed: Error, CustomStringConvertible {
    var description: String
}

extension Operator {
    /// A task that runs a Python script; its variable `result` is the output. See `PythonOperator`.
    public static func python<Value: Codable & Sendable>(
        _ script: String, interpreter: String = "python3", environment: [String: String] = [:],
        workingDirectory: String? = nil, returning type: Value.Type
    ) -> PythonOperator<Value> where Self == PythonOperator<Value> {
        PythonOperator(
            .script(script), interpreter: interpreter, environment: environment, workingDirectory: workingDirectory)
    }

    /// A task that runs a file of Python; its variable `result` is the output. See `PythonOperator`.
    public static func python<Value: Codable & Sendable>(
        file: String, interpreter: String = "python3", environment: [String: String] = [:],
        workingDirectory: String? = nil, returning type: Value.Type
    ) -> PythonOperator<Value> where Self == PythonOperator<Value> {
        PythonOperator(
            .file(file), interpreter: interpreter, environment: environment, workingDirectory: workingDirectory)
    }

    /// A task that calls a Python function; what it returns is the output. See `PythonOperator`.
    public static func python<Value: Codable & Sendable>(
        function: String, of place: String, arguments: [String: JSONValue] = [:], interpreter: String = "python3",
        environment: [String: String] = [:], workingDirectory: String? = nil,
        returning type: Value.Type
    ) -> PythonOperator<Value> where Self == PythonOperator<Value> {
        PythonOperator(
            .function(function, of: place, arguments: arguments), interpreter: interpreter, environment: environment,
            workingDirectory: workingDirectory)
    }
}
