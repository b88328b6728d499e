// SPDX-License-Identifier: Apache-2.0

internal import PerchOperators
internal import PerchSDK

/// An operator as files name it, and how it is made.
struct OperatorEntry: Sendable {
    var name: String
    var summary: String
    var others: [String] = []
    var shape: ObjectShape
    /// Makes the operator of a value that has the shape.
    var make: @Sendable (YAMLValue) throws -> any Operator
}

/// Every operator that files can name. A new one is a new entry here, and nothing else.
enum Operators {
    static let all: [OperatorEntry] = [bash, python, http, sql, sqlCheck, transfer, email, webhook]

    private static let bash = OperatorEntry(
        name: "bash", summary: "runs a shell command; its last line is the output",
        others: ["bash_command", "command", "cmd", "run", "shell", "script"],
        shape: ObjectShape(
            name: "a shell command",
            fields: [
                Field(
                    "command", .template, "for bash -c; exit code 99 skips the task", required: true,
                    others: ["bash_command", "cmd", "run"]),
                Field("environment", .dictionary(.template), "variables over those of the process", others: ["env"]),
                Field("working_directory", .template, "where it runs", others: ["cwd", "dir"]),
                Field("kill_grace", .span(.notNegative), "how long it has to end after SIGTERM; 10s"),
                Field(
                    "detached_in", .template,
                    "an absolute folder: it runs there without holding a worker, and goes on without the engine",
                    others: ["deferrable"]), output,
            ],
            short: "command")
    ) { value in
        if let folder = value["detached_in"]?.text {
            if let directory = value["working_directory"] {
                throw YAMLProblem(
                    place: directory.place, message: "a detached command runs in the folder of 'detached_in'")
            }
            let code = DetachedBashOperator(
                value["command"]?.text ?? "", detachedIn: folder, environment: texts(value["environment"]),
                killGrace: value["kill_grace"]?.duration ?? .seconds(10))
            return isJSON(value) ? JSONOutput(code) { $0 } : code
        }
        let code = BashOperator(
            value["command"]?.text ?? "", environment: texts(value["environment"]),
            workingDirectory: value["working_directory"]?.text,
            killGrace: value["kill_grace"]?.duration ?? .seconds(10))
        return isJSON(value) ? JSONOutput(code) { $0 } : code
    }

    private static let http = OperatorEntry(
        name: "http", summary: "makes one HTTP request; the answer is the output", others: ["http_request", "request"],
        shape: ObjectShape(
            name: "a request",
            fields: [
                Field("url", .template, "http or https", required: true, others: ["endpoint"]),
                Field("method", .text, "GET"),
                Field("headers", .dictionary(.template), "headers"),
                Field("body", .template, "what is sent", others: ["data"]),
                Field("expected_status", .text, "statuses that are a success: 200-299"),
                Field("timeout", .span(.positive), "how long the request may take; 1m"),
                Field("maximum_body_size", .integer(0...Int64(1 << 40)), "the longest body that is read, in bytes"),
                output,
            ],
            short: "url")
    ) { value in
        var code = HTTPOperator(value["url"]?.text ?? "", headers: texts(value["headers"]))
        if let method = value["method"]?.text { code.method = method }
        code.body = value["body"]?.text
        if let status = value["expected_status"] { code.expectedStatus = try statuses(status) }
        if let timeout = value["timeout"]?.duration { code.timeout = timeout }
        if let size = value["maximum_body_size"]?.integer { code.maximumBodySize = size }
        return isJSON(value) ? JSONOutput(code, \.body) : code
    }

    private static let output = Field(
        "output", .choice(["text", "json"]), "json: what it gives is read as JSON, and is the output; text")

    private static func isJSON(_ value: YAMLValue) -> Bool { value["output"]?.text == "json" }

    static func texts(_ value: YAMLValue?) -> [String: String] {
        Dictionary((value?.members ?? []).map { ($0.name, $0.value.text ?? "") }) { $1 }
    }

    private static func statuses(_ value: YAMLValue) throws(YAMLProblem) -> ClosedRange<Int> {
        let text = value.text ?? ""
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        guard let low = ends.first ?? nil, let high = ends.last ?? nil, ends.count <= 2, low <= high,
            (100...599).contains(low), (100...599).contains(high)
        else {
            throw YAMLProblem(
                place: value.place,
                message: "'expected_status' is a status or a range from 100 to 599, as 200-299, not '\(text.shown(40))'"
            )
        }
        return low...high
    }

    /// The operator of a task that has one. What is wrong with it is reported at its place.
    static func code(of task: YAMLValue, _ problems: inout [YAMLProblem]) -> (any Operator)? {
        for entry in all {
            guard let value = task[entry.name] else { continue }
            do {
                let code = try entry.make(value)
                let names = entry.shape.fields.map(\.name)
                for problem in code.problems {
                    let message = "\(entry.name): \(Triggers.written(problem, names))"
                    problems.append(YAMLProblem(place: value.place, message: message.shown(400)))
                }
                return code.problems.isEmpty ? code : nil
            } catch let problem as YAMLProblem {
                problems.append(YAMLProblem(place: problem.place, message: "\(entry.name): \(problem.message)"))
            } catch {
                problems.append(YAMLProblem(place: value.place, message: "\(entry.name): \("\(error)".shown(400))"))
            }
            return nil
        }
        return nil
    }
}
