// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// What an HTTP answer must be to end a wait.
///
/// A condition that says nothing about the status means answers with a status from 200 to 299 alone.
public struct HTTPCondition: Hashable, Sendable {
    indirect enum Form: Hashable, Sendable {
        case status([ClosedRange<Int>])
        case headerEquals(String, String)
        case headerMatches(String, TextPattern)
        case json(JSONCondition)
        case body(TextPattern)
        case all([Form])
        case any([Form])
        case not(Form)
    }

    let form: Form

    init(_ form: Form) { self.form = form }

    /// Any status from 200 to 299.
    public static let success = HTTPCondition.status(in: 200...299)

    /// This status.
    public static func status(_ status: Int) -> HTTPCondition { HTTPCondition(.status([status...status])) }
    /// A status in a range.
    public static func status(in range: ClosedRange<Int>) -> HTTPCondition { HTTPCondition(.status([range])) }
    /// One of these statuses.
    public static func status(in list: [Int]) -> HTTPCondition { HTTPCondition(.status(list.map { $0...$0 })) }
    /// A header has this value.
    public static func header(_ name: String, equals value: String) -> HTTPCondition {
        HTTPCondition(.headerEquals(name, value))
    }
    /// A header has a value in which the pattern matches.
    public static func header(_ name: String, matches pattern: String) -> HTTPCondition {
        HTTPCondition(.headerMatches(name, TextPattern(pattern)))
    }
    /// The body is JSON that meets a condition.
    public static func json(_ condition: JSONCondition) -> HTTPCondition { HTTPCondition(.json(condition)) }
    /// The value at a path of the body, which is JSON, passes a test.
    public static func json(_ path: String, _ test: JSONTest) -> HTTPCondition { .json(.json(path, test)) }
    /// The value at a path of the body is one of these.
    public static func json(_ path: String, in values: [JSONValue]) -> HTTPCondition { .json(.json(path, in: values)) }
    /// The value at a path of the body is this one.
    public static func json(_ path: String, equals value: JSONValue) -> HTTPCondition {
        .json(.json(path, equals: value))
    }
    /// The pattern matches somewhere in the body.
    public static func body(matches pattern: String) -> HTTPCondition { HTTPCondition(.body(TextPattern(pattern))) }
    /// All of these.
    public static func all(_ parts: [HTTPCondition]) -> HTTPCondition { HTTPCondition(.all(parts.map(\.form))) }
    /// At least one of these.
    public static func any(_ parts: [HTTPCondition]) -> HTTPCondition { HTTPCondition(.any(parts.map(\.form))) }
    /// Not this.
    public static func not(_ part: HTTPCondition) -> HTTPCondition { HTTPCondition(.not(part.form)) }

    /// What is wrong with it, in sentences.
    public var problems: [String] { form.problems }

    /// Whether an answer meets it.
    func evaluate(_ answer: HTTPAnswer) -> Bool {
        guard form.saysStatus || (200...299).contains(answer.status) else { return false }
        return form.evaluate(answer)
    }
}

extension HTTPCondition.Form {
    var saysStatus: Bool {
        switch self {
        case .status: true
        case .all(let parts), .any(let parts): parts.contains(where: \.saysStatus)
        case .not(let part): part.saysStatus
        case .headerEquals, .headerMatches, .json, .body: false
        }
    }

    var problems: [String] {
        switch self {
        case .status(let ranges):
            if ranges.isEmpty { return ["a status is one of at least one"] }
            return ranges.allSatisfy { $0.lowerBound >= 100 && $0.upperBound <= 599 }
                ? [] : ["a status is from 100 to 599"]
        case .headerEquals(let name, _): return name.isEmpty ? ["a header has a name"] : []
        case .headerMatches(let name, let pattern):
            return (name.isEmpty ? ["a header has a name"] : []) + Self.problems(of: pattern)
        case .json(let condition): return condition.problems
        case .body(let pattern): return Self.problems(of: pattern)
        case .all(let parts): return parts.flatMap(\.problems)
        case .any(let parts):
            return parts.isEmpty ? ["'any' of no conditions is never true"] : parts.flatMap(\.problems)
        case .not(let part): return part.problems
        }
    }

    private static func problems(of pattern: TextPattern) -> [String] {
        pattern.text.contains("{{") ? [] : [pattern.problem].compactMap(\.self)
    }

    func evaluate(_ answer: HTTPAnswer) -> Bool {
        switch self {
        case .status(let ranges): ranges.contains { $0.contains(answer.status) }
        case .headerEquals(let name, let value): answer.headers[name.lowercased()] == value
        case .headerMatches(let name, let pattern): answer.headers[name.lowercased()].map(pattern.matches) ?? false
        case .json(let condition): answer.json.map(condition.evaluate) ?? false
        case .body(let pattern): pattern.matches(answer.text)
        case .all(let parts): parts.allSatisfy { $0.evaluate(answer) }
        case .any(let parts): parts.contains { $0.evaluate(answer) }
        case .not(let part): !part.evaluate(answer)
        }
    }
}

extension HTTPCondition: CustomStringConvertible {
    /// In words, for people.
    public var description: String { form.description }
}

extension HTTPCondition.Form: CustomStringConvertible {
    var description: String {
        switch self {
        case .status(let ranges): "the status is " + Self.text(of: ranges).joined(separator: " or ")
        case .headerEquals(let name, let value): "the header \(name) is '\(value)'"
        case .headerMatches(let name, let pattern): "the header \(name) matches /\(pattern.text)/"
        case .json(let condition): condition.description
        case .body(let pattern): "the body matches /\(pattern.text)/"
        case .all(let parts): "(" + parts.map(\.description).joined(separator: " and ") + ")"
        case .any(let parts): "(" + parts.map(\.description).joined(separator: " or ") + ")"
        case .not(let part): "not \(part)"
        }
    }

    static func text(of ranges: [ClosedRange<Int>]) -> [String] {
        ranges.map { $0.lowerBound == $0.upperBound ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
    }
}

/// One answer, read as JSON and as text at most once, however many conditions look at it.
final class HTTPAnswer {
    let status: Int
    let headers: [String: String]
    private let bytes: [UInt8]
    private(set) lazy var text = String(decoding: bytes, as: UTF8.self)
    /// Nil where the body is no JSON.
    private(set) lazy var json: JSONValue? = {
        try? JSONValue(parsing: bytes)  // because a body that is no JSON is an answer like another
    }()

    /// The same for the same status and body, in this process. Headers have times in them.
    var fingerprint: Int {
        var hasher = Hasher()
        hasher.combine(status)
        bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
        return hasher.finalize()
    }

    convenience init(_ outcome: HTTPOutcome) {
        self.init(status: outcome.status, headers: outcome.headers, bytes: outcome.body)
    }

    init(status: Int, headers: [String: String], bytes: [UInt8]) {
        self.status = status
        self.headers = headers
        self.bytes = bytes
    }
}
