// SPDX-License-Identifier: Apache-2.0

internal import PerchOperators
internal import PerchSDK

extension Operators {
    static let python = OperatorEntry(
        name: "python", summary: "runs Python code; what it gives, which is JSON, is the output",
        others: ["python_callable", "python3", "py"],
        shape: ObjectShape(
            name: "Python code",
            fields: [
                Field("script", .text, "a script; its variable 'result' is the output", others: ["code"]),
                Field("file", .template, "a file, run as a program; its variable 'result' is the output"),
                Field("function", .text, "the name of a function; what it returns is the output"),
                Field("of", .template, "the module or the file of the function", others: ["module"]),
                Field(
                    "arguments", .dictionary(.any), "the arguments of the function, by name",
                    others: ["op_kwargs", "kwargs"]),
                Field(
                    "interpreter", .template, "the program, or the folder of a virtual environment; python3",
                    others: ["venv"]),
                Field("environment", .dictionary(.template), "variables over those of the process", others: ["env"]),
                Field("working_directory", .template, "where it runs", others: ["cwd", "dir"]),
                Field("maximum_output_size", .integer(1...Int64(1 << 40)), "the longest output, in bytes of JSON"),
                Field("kill_grace", .span(.notNegative), "how long it has to end after SIGTERM; 10s"),
            ],
            short: "script",
            rules: [
                .exactlyOne(["script", "file", "function"]), .needs("of", ["function"]), .needs("function", ["of"]),
                .needs("arguments", ["function"]),
            ])
    ) { value in
        let code: PythonCode
        if let path = value["file"]?.text {
            code = .file(path)
        } else if let name = value["function"]?.text {
            let arguments = (value["arguments"]?.members ?? []).map { ($0.name, $0.value.json) }
            code = .function(name, of: value["of"]?.text ?? "", arguments: Dictionary(arguments) { $1 })
        } else {
            code = .script(value["script"]?.text ?? "")
        }
        var python = PythonOperator<JSONValue>(
            code, interpreter: value["interpreter"]?.text ?? "python3", environment: texts(value["environment"]),
            workingDirectory: value["working_directory"]?.text)
        if let size = value["maximum_output_size"]?.integer { python.maximumOutputSize = size }
        if let grace = value["kill_grace"]?.duration { python.killGrace = grace }
        return python
    }
}
