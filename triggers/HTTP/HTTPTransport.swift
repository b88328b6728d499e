// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// Makes requests for a source, on its loop's thread. Production has libcurl, the simulation servers in memory.
package protocol HTTPTransport: AnyObject {
    /// Begins a request; `done` is called in a later turn of the loop, unless the request is cancelled.
    /// - Throws: `PerchError` where no more requests can be made.
    func start(_ request: HTTPRequest, done: @escaping (HTTPOutcome) -> Void) throws -> any HTTPTransfer
    /// Breaks every request off. No `done` is called any more.
    func close()
    /// How many sockets are held.
    var socketCount: Int { get }
}

/// A request under way.
package protocol HTTPTransfer: AnyObject {
    /// Breaks the request off; its `done` is not called. One that has ended is left alone.
    func cancel()
}

/// One request to make. Redirects are not followed: they are answers.
package struct HTTPRequest {
    package var method: String
    package var url: String
    package var headers: [(name: String, value: String)]
    package var body: String?
    package var timeout: TimeSpan
    /// The proxy; nil: what the environment says.
    package var proxy: String?
    /// The file of authorities that vouch for the server; nil: those of the machine.
    package var ca: String?
    /// The longest body that is taken, in bytes.
    package var bodyLimit: Int
    /// Takes the body of an answer that has no end, as it comes, with its status and headers; such a request has no timeout
    /// but for its connection, and its outcome no body.
    package var stream: ((_ status: Int, _ headers: [String: String], _ bytes: [UInt8]) -> Void)?

    /// A request from its parts.
    package init(
        method: String, url: String, headers: [(name: String, value: String)], body: String?, timeout: TimeSpan,
        bodyLimit: Int, proxy: String? = nil, ca: String? = nil
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeout = timeout
        self.bodyLimit = bodyLimit
        self.proxy = proxy
        self.ca = ca
    }
}

/// How one request ended.
package struct HTTPOutcome {
    /// Why there is no whole answer; nil: there is one.
    package var fault: HTTPFault?
    /// The status of the answer as far as it came, else 0.
    package var status: Int
    /// Names in lower case; values of repeated headers are joined by commas.
    package var headers: [String: String]
    package var body: [UInt8]
    /// Where the answer points to, as an absolute URL.
    package var redirect: String?

    /// An outcome from its parts.
    package init(
        fault: HTTPFault? = nil, status: Int = 0, headers: [String: String] = [:], body: [UInt8] = [],
        redirect: String? = nil
    ) {
        self.fault = fault
        self.status = status
        self.headers = headers
        self.body = body
        self.redirect = redirect
    }
}

/// Why a request has no whole answer. Words are those of whoever made the request.
package enum HTTPFault: Equatable, Sendable {
    case bodyTooLong
    case headersTooLong
    case timedOut
    /// No connection came about in the time.
    case connectTimedOut
    case unknownName(String)
    /// The errno.
    case noConnection(Int32)
    /// The connection was closed without an answer.
    case noAnswer
    /// The connection was closed in the middle of the body.
    case partialBody
    case broken(String)
    case tls(String)
    /// Anything else, with its number.
    case other(Int, String)
}
