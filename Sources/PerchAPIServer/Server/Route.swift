// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchSDK

/// What a request asks for.
enum Route: Equatable {
    /// `POST /events/{name}`, or `POST /events`, where every line names its event.
    case events(name: String?)
    /// `GET /health`.
    case health
    /// `GET /metrics`.
    case metrics

    /// - Throws: `Refusal`: 404 for an unknown path, 405 for a method that the path does not know.
    init(method: HTTPRequest.Method, target: RequestTarget) throws(Refusal) {
        switch target.path {
        case ["health"]:
            try Self.require(method, [.get, .head])
            self = .health
        case ["metrics"]:
            try Self.require(method, [.get, .head])
            self = .metrics
        case ["events"]:
            try Self.require(method, [.post])
            self = .events(name: nil)
        case let path where path.count == 2 && path[0] == "events" && !path[1].isEmpty:
            try Self.require(method, [.post])
            self = .events(name: path[1])
        default:
            let shown = "/" + target.path.joined(separator: "/")
            let hint = target.path.first == "events" ? " (a '/' in an event's name is written %2F)" : ""
            throw Refusal(
                .notFound, "not_found",
                "there is no \(shown.shown())\(hint); there are POST /events/{name}, POST /events, GET /health and "
                    + "GET /metrics")
        }
    }

    private static func require(
        _ method: HTTPRequest.Method, _ allowed: [HTTPRequest.Method]
    ) throws(Refusal) {
        guard !allowed.contains(method) else { return }
        let names = allowed.map(\.rawValue).joined(separator: ", ")
        throw Refusal(
            .methodNotAllowed, "method_not_allowed", "\(method.rawValue.shown(20)) is not served here; \(names) is",
            [.allow: names])
    }
}
