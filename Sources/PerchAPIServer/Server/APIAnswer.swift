// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchSDK

/// An answer on its way out.
struct APIAnswer: Sendable {
    var status: HTTPResponse.Status
    var fields: HTTPFields = [:]
    var body: [UInt8]
    /// What scripts and styles that stand in a page carry, to be let run; nil: there are none.
    var nonce: String?
    /// What is written instead of a body.
    var feed: (any AnswerFeed)?

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

    /// An answer that comes piece by piece; without a feed, its head.
    init(type: String, feed: (any AnswerFeed)?) {
        self.init(.ok, type: type, body: [])
        fields[.contentLength] = nil
        // A proxy is not to gather what is meant to come at once.
        fields[.accelBuffering] = "no"
        self.feed = feed
    }

    /// Its head, dated.
    /// - Parameter isSecure: Whether the server is reached over encrypted connections alone.
    func head(at now: Timestamp, isSecure: Bool = false) -> HTTPResponse {
        var head = HTTPResponse(status: status, headerFields: fields)
        SecurityHeaders.add(to: &head.headerFields, nonce: nonce, isSecure: isSecure)
        head.headerFields[.date] = HTTPDate.text(of: now)
        return head
    }
}

extension HTTPField.Name {
    /// Said of answers that come piece by piece.
    static let accelBuffering = HTTPField.Name("X-Accel-Buffering")!
}
