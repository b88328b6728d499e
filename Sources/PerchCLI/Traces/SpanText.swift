// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK

/// Spans as OTLP has them in JSON. Of what tasks say and get nothing is in them: names, kinds, states and addresses alone, and of
/// addresses neither names and passwords nor queries.
enum SpanText {
    /// The body of a request.
    static func request(_ work: [TracedWork], resource: [(name: String, value: String)]) -> String {
        let document: JSONValue = .object([
            "resourceSpans": [
                .object([
                    "resource": .object(["attributes": .array(resource.map { attribute($0.name, .text($0.value)) })]),
                    "scopeSpans": [
                        .object([
                            "scope": .object(["name": "perch", "version": .string(PerchVersion.current)]),
                            "spans": .array(work.map(span)),
                        ])
                    ],
                ])
            ]
        ])
        return document.text
    }

    private enum Value {
        case text(String)
        case number(Int)
    }

    private static func attribute(_ name: String, _ value: Value) -> JSONValue {
        let coded: JSONValue =
            switch value {
            case .text(let text): .object(["stringValue": .string(text)])
            // As the JSON of Protobuf has numbers of 64 bits.
            case .number(let number): .object(["intValue": .string(String(number))])
            }
        return .object(["key": .string(name), "value": coded])
    }

    private static func span(_ work: TracedWork) -> JSONValue {
        let trace = work.run.trace
        let attempt = work.attempt.map {
            trace.attempt(taskID: $0.taskID, mapIndex: $0.mapIndex, tryNumber: $0.tryNumber)
        }
        var facts: [(String, Value)] = [
            ("perch.dag_id", .text(work.run.dagID)), ("perch.run_id", .text(work.run.runID)),
        ]
        if let attempt = work.attempt {
            facts.append(("perch.task_id", .text(attempt.taskID)))
            if attempt.mapIndex >= 0 { facts.append(("perch.map_index", .number(attempt.mapIndex))) }
            facts.append(("perch.try_number", .number(attempt.tryNumber)))
        }
        let name: String
        let id: String
        let parent: String?
        let ended: Timestamp
        var hasFailed = false
        switch work.end {
        case .run(_, let state, let at):
            (name, id, parent, ended) = ("run \(work.run.dagID)", trace.runSpan, trace.parent?.spanID, at)
            facts += [("perch.run_type", .text(work.run.type.rawValue)), ("perch.state", .text(state.rawValue))]
            hasFailed = state == .failed
        case .attempt(_, _, let state, _, let at):
            let task = work.attempt?.taskID ?? ""
            (name, id, parent, ended) = ("task \(work.run.dagID).\(task)", attempt ?? "", trace.runSpan, at)
            facts.append(("perch.state", .text(state.rawValue)))
            hasFailed = [.failed, .upForRetry].contains(state)
        case .step(let place, _, let at):
            (name, parent, ended) = ("step \(place.key)", attempt, at)
            id = RunTrace.entry(place.key, of: attempt ?? "")
            facts.append(("perch.step", .text(place.key)))
        case .wait(let place, let kind, let target, let outcome, _, let at):
            (name, parent, ended) = ("wait \(kind)", attempt, at)
            id = RunTrace.entry(place.key, of: attempt ?? "")
            facts += [
                ("perch.wait.key", .text(place.key)), ("perch.wait.kind", .text(kind)),
                ("perch.wait.target", .text(shown(target))), ("perch.wait.outcome", .text(outcome)),
            ]
            hasFailed = outcome == "broken"
        }
        var members: [String: JSONValue] = [
            "traceId": .string(trace.traceID), "spanId": .string(id), "name": .string(name), "kind": .integer(1),
            "startTimeUnixNano": .string(nanoseconds(work.began)),
            "endTimeUnixNano": .string(nanoseconds(max(work.began, ended))),
            "attributes": .array(facts.map { attribute($0.0, $0.1) }),
            "status": .object(hasFailed ? ["code": .integer(2)] : [:]),
        ]
        if let parent { members["parentSpanId"] = .string(parent) }
        return .object(members)
    }

    private static func nanoseconds(_ instant: Timestamp) -> String { "\(max(0, instant.microseconds))000" }

    /// A target without what may be secret of an address.
    static func shown(_ target: String) -> String {
        guard let scheme = target.firstRange(of: "://") else { return target.shown(500) }
        var text = target.prefix { $0 != "?" && $0 != "#" }
        let authority = target[scheme.upperBound...].prefix { !"/?#".contains($0) }
        if let at = authority.lastIndex(of: "@"), at < text.endIndex {
            text = text[..<scheme.upperBound] + text[text.index(after: at)...]
        }
        return String(text).shown(500)
    }
}
