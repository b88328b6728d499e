// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchSDK

/// An answer on its way out.
struct APIAnswer: Sendable {
    var status: HTTPResponse.Status
    var fields: HTTPFields = [:]
    var body: [UInt8]
    /// What is written instead of a body, for as long as the connection lives.
    var feed: NewsFeed?

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
