// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchSDK

/// Why a request is not served. Told in one shape, `{"code": "…", "error": "…"}` with `line` where one line of a batch is to
/// blame; behind `/api/v2` as RFC 9457 has it, which also names the parameter or the field that is.
struct Refusal: Error {
    /// What is to blame.
    enum Place: Hashable {
        case parameter(String)
        /// A JSON pointer into the body.
        case field(String)
    }

    var status: HTTPResponse.Status
    /// For programs.
    var code: String
    /// For people: what is wrong, and what would be right.
    var message: String
    var line: Int?
    var place: Place?
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

    /// A parameter of the query is wrong.
    static func parameter(_ name: String, _ message: String) -> Refusal {
        var refusal = Refusal(.badRequest, "invalid_parameter", message)
        refusal.place = .parameter(name)
        return refusal
    }

    /// A field of the body is wrong.
    static func field(_ pointer: String, _ message: String) -> Refusal {
        var refusal = Refusal(.badRequest, "invalid_field", message)
        refusal.place = .field(pointer)
        return refusal
    }

    /// The answer to a request for a path.
    func answer(at path: String?) -> APIAnswer {
        var answer =
            RESTAPI.speaks(at: path) ? problem : PageTable.speaks(at: path) ? PageAPI.page(of: self, at: path) : plain
        for field in fields { answer.fields[field.name] = field.value }
        return answer
    }

    private var plain: APIAnswer {
        var members: [String: JSONValue] = ["code": .string(code), "error": .string(message)]
        if let line { members["line"] = .integer(Int64(line)) }
        return APIAnswer(status, .object(members))
    }

    /// RFC 9457. What is to blame stands under `errors`, as its example has it.
    private var problem: APIAnswer {
        var members: [String: JSONValue] = [
            "type": "about:blank", "title": .string(status.reasonPhrase), "status": .integer(Int64(status.code)),
            "code": .string(code), "detail": .string(message),
        ]
        if let line { members["line"] = .integer(Int64(line)) }
        switch place {
        case .parameter(let name): members["errors"] = [["detail": .string(message), "parameter": .string(name)]]
        case .field(let pointer): members["errors"] = [["detail": .string(message), "pointer": .string("#" + pointer)]]
        case nil: break
        }
        var answer = APIAnswer(status, .object(members))
        answer.fields[.contentType] = "application/problem+json"
        return answer
    }
}
