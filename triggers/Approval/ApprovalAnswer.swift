// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// What a person answered.
public struct ApprovalAnswer: Codable, Hashable, Sendable {
    /// The two answers.
    public enum Decision: String, Codable, Hashable, Sendable {
        case approve, reject
    }

    public var decision: Decision
    /// The form's values by field; a field without a value is not there.
    public var values: [String: JSONValue]
    /// Who answered.
    public var by: String
    public var note: String?
    public var answeredAt: Timestamp

    /// An answer from its parts.
    public init(
        decision: Decision, values: [String: JSONValue] = [:], by: String, note: String? = nil, answeredAt: Timestamp
    ) {
        self.decision = decision
        self.values = values
        self.by = by
        self.note = note
        self.answeredAt = answeredAt
    }

    /// Whether it is a yes.
    public var approved: Bool { decision == .approve }

    /// The values as a type of the caller.
    /// - Throws: `PerchError` (`invalid`) that names the field and what was wanted there.
    public func decode<Values: Decodable>(as type: Values.Type = Values.self) throws -> Values {
        try JSONValue.object(values).decode(type)
    }

    /// Why a sensor fails: nobody after it would look at a no.
    package var rejection: String? {
        approved ? nil : "rejected by \(by)" + (note.map { ": \($0)" } ?? "")
    }

    enum CodingKeys: String, CodingKey {
        case decision, values, by, note
        case answeredAt = "answered_at"
    }
}
