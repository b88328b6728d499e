// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

extension RESTCall {
    /// - Throws: `Refusal` (403) where the caller may not do so much with a DAG.
    func require(_ needed: APIRight, for dagID: String) throws(Refusal) {
        let right = caller.right(for: dagID)
        guard right < needed else { return }
        throw AccessControl.forbidden(right, needed, " with the DAG '\(dagID.shown(60))'")
    }

    /// Whether the caller sees what is of a DAG.
    func sees(_ dagID: String) -> Bool { caller.right(for: dagID) >= .viewer }

    /// The DAGs of which the caller sees something; nil: all of them.
    func visibleDAGs(_ snapshot: Snapshot) throws -> [String]? {
        guard caller.everywhere < .viewer else { return nil }
        return try snapshot.dags().map(\.dagID).filter(sees)
    }

    /// What the record says of this request.
    var auditEntry: AuditEntry {
        let path = endpoint.segments.map { segment in
            switch segment {
            case .fixed(let text): text
            case .name(let name): self.name(name)
            }
        }
        var details = AuditDetails.withoutSecrets(body)
        if !parameters.isEmpty, case .object(var members) = details {
            members["parameters"] = .object(parameters)
            details = .object(members)
        }
        return AuditEntry(
            who: caller.name, how: caller.how, action: "\(endpoint.method.rawValue) \(endpoint.path)",
            subject: path.joined(separator: "/"), details: details)
    }
}

/// What the record keeps of what was sent.
enum AuditDetails {
    /// What is as long as this is not kept.
    private static let most = 4_096
    /// Members that may hold anything, whatever they are called.
    private static let hidden: Set<String> = ["value", "payload", "extra", "uri"]

    /// An object without what may be secret, and without what is long.
    static func withoutSecrets(_ body: JSONValue) -> JSONValue {
        guard case .object = body else { return .object([:]) }
        let kept = masked(body)
        return kept.text.utf8.count <= most ? kept : .object(["left_out": "it is too long"])
    }

    /// An object without words by which somebody is let in.
    static func withoutWords(_ body: JSONValue) -> JSONValue {
        guard case .object(let members) = body else { return body }
        return .object(
            Dictionary(
                uniqueKeysWithValues: members.map { name, value in
                    (name, SensitiveName.holds(name) ? "***" : value)
                }))
    }

    private static func masked(_ value: JSONValue) -> JSONValue {
        switch value {
        case .object(let members):
            .object(
                Dictionary(
                    uniqueKeysWithValues: members.map { name, value in
                        (name, hidden.contains(name) || SensitiveName.holds(name) ? "***" : masked(value))
                    }))
        case .array(let values): .array(values.map(masked))
        default: value
        }
    }
}
