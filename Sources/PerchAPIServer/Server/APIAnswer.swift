// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchSDK

/// An answer on its way out.
struct APIAnswer: Sendable {
    var status: HTTPResponse.Status
    var fields: HTTPFields = [:]
    var body: [UInt8]

    /// An answer of one JSON document, with a line's end behind it.
    init(_ status: HTTPResponse.Status, _ document: JSONValue) {
        self.init(status, type: "application/json", body: Array((document.text + "\n").utf8))
    }

    init(_ status: HTTPResponse.Status, type: String, body: [UInt8]) {
        self.status = status
        self.body = body
        fields[.contentType] = type
        fields[.contentLength] = "\(body.count)"
        fields[.cacheControl] = "no-store"
        fields[.xContentTypeOptions] = "nosniff"
    }

    /// Its head, dated.
    func head(at now: Timestamp) -> HTTPResponse {
        var head = HTTPResponse(status: status, headerFields: fields)
        head.headerFields[.date] = HTTPDate.text(of: now)
        return head
    }
}

/// Why a request is not served: the one shape of every error, `{"code": "…", "error": "…"}`, with `line` where one line of a
/// batch is to blame.
struct Refusal: Error {
    var status: HTTPResponse.Status
    /// For programs.
    var code: String
    /// For people: what is wrong, and what would be right.
    var message: String
    var line: Int?
    /// What the status asks for: `Allow`, `Retry-After`, …
    var fields: HTTPFields

    init(
        _ status: HTTPResponse.Status, _ code: String, _ message: String, line: Int? = nil, _ fields: HTTPFields = [:]
    ) {
        self.status = status
        self.code = code
        self.message = message
        self.line = line
        self.fields = fields
    }

    /// Come again: nothing is wrong with the request.
    static func unavailable(_ message: String, after seconds: Int) -> Refusal {
        Refusal(.serviceUnavailable, "unavailable", message, [.retryAfter: "\(seconds)"])
    }

    static func tooLarge(_ message: String) -> Refusal { Refusal(.contentTooLarge, "too_large", message) }

    var answer: APIAnswer {
        var members: [String: JSONValue] = ["code": .string(code), "error": .string(message)]
        if let line { members["line"] = .integer(Int64(line)) }
        var answer = APIAnswer(status, .object(members))
        for field in fields { answer.fields[field.name] = field.value }
        return answer
    }
}
