// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchSDK

/// How the body of a request spells its events.
enum EventForm: Equatable {
    /// The body is the event's payload.
    case one
    /// Each line is an event, as at the socket in the home.
    case lines
    /// No body, no payload.
    case empty
    /// A CloudEvent as one document, as a list of them, or with its attributes in the head.
    case cloud, cloudBatch, cloudHead

    /// Whether there may be several events, each with an answer on a line of its own.
    var isBatch: Bool { self == .lines || self == .cloudBatch }
    var isCloud: Bool { self == .cloud || self == .cloudBatch || self == .cloudHead }

    /// - Throws: `Refusal`: 415 for what is neither JSON nor lines of it, and for a body that is compressed.
    init(_ fields: HTTPFields, name: String?) throws(Refusal) {
        let coding = fields[.contentEncoding]?.lowercased() ?? "identity"
        guard coding == "identity" else {
            throw Self.refusal("a body in the coding '\(coding.shown(30))' is not taken: send it as it is")
        }
        let isCloudHead = fields[.ceSpecVersion] != nil
        guard let text = fields[.contentType] else {
            guard fields[.transferEncoding] == nil, (fields[.contentLength] ?? "0") == "0" else {
                throw Self.refusal("the request has no Content-Type: " + Self.wanted(name))
            }
            guard name != nil || isCloudHead else { throw Self.refusal(Self.wanted(name)) }
            self = isCloudHead ? .cloudHead : .empty
            return
        }
        let parts = text.lowercased().split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" && $0 != "\"" } }
        let charset = parts.dropFirst().first { $0.hasPrefix("charset=") } ?? "charset=utf-8"
        guard charset == "charset=utf-8" || charset == "charset=us-ascii" else {
            throw Self.refusal("'\(text.shown(60))' is not taken: JSON is UTF-8")
        }
        switch parts.first ?? "" {
        case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines":
            self = .lines
        case "application/cloudevents+json": self = .cloud
        case "application/cloudevents-batch+json": self = .cloudBatch
        case let type where isCloudHead && (type == "application/json" || Self.isJSON(type)): self = .cloudHead
        case let type where name != nil && (type == "application/json" || Self.isJSON(type)):
            self = .one
        default: throw Self.refusal("'\(text.shown(60))' is not taken: " + Self.wanted(name))
        }
    }

    /// `application/geo+json` and the like.
    private static func isJSON(_ type: String) -> Bool { type.hasPrefix("application/") && type.hasSuffix("+json") }

    private static func wanted(_ name: String?) -> String {
        (name == nil ? "" : "send application/json for one event, whose payload the body is, or ")
            + "application/x-ndjson for \(name == nil ? "a batch, the only thing that has no name in its path" : "a batch")"
            + ", with an event on each line"
    }

    private static func refusal(_ message: String) -> Refusal {
        Refusal(
            .unsupportedMediaType, "unsupported_type", message,
            [.acceptPost: "application/json, application/x-ndjson"])
    }
}

extension HTTPField.Name {
    fileprivate static let acceptPost = HTTPField.Name("Accept-Post")!
}
