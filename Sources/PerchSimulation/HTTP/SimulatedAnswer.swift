// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// What a simulated server does with one request.
package struct SimulatedAnswer: Sendable {
    /// How a server or the way to it fails.
    package enum Fault: Sendable {
        /// Nothing ever comes: the request ends by its own timeout.
        case hang
        /// The network is gone: no connection comes about, and nobody says so.
        case silence
        case refused
        case unknownName
        /// The connection is closed without an answer.
        case noAnswer
        /// The connection breaks before the status came.
        case reset
        /// The connection breaks in the middle of the body.
        case resetInBody
        /// The connection is closed properly, in the middle of the body.
        case partialBody
        case tls
    }

    package var status: Int
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]
    /// From the request to its end; nil: what the network takes.
    package var latency: TimeSpan?
    package var fault: Fault?

    /// An answer from its parts.
    package init(
        status: Int = 200, headers: [(name: String, value: String)] = [], body: [UInt8] = [],
        latency: TimeSpan? = nil, fault: Fault? = nil
    ) {
        self.status = status
        self.headers = headers
        self.body = body
        self.latency = latency
        self.fault = fault
    }

    /// A status with a text.
    package static func status(_ status: Int, _ text: String = "") -> SimulatedAnswer {
        SimulatedAnswer(status: status, body: Array(text.utf8))
    }

    /// JSON, or what is said to be.
    package static func json(_ text: String, status: Int = 200) -> SimulatedAnswer {
        SimulatedAnswer(status: status, headers: [("Content-Type", "application/json")], body: Array(text.utf8))
    }

    /// A body of so many bytes.
    package static func large(_ bytes: Int) -> SimulatedAnswer {
        SimulatedAnswer(body: [UInt8](repeating: UInt8(ascii: "x"), count: bytes))
    }

    /// Sends the asker elsewhere: to a URL, or a path of the same server.
    package static func redirect(_ location: String, status: Int = 302) -> SimulatedAnswer {
        SimulatedAnswer(status: status, headers: [("Location", location)])
    }

    /// Asks for patience, in seconds.
    package static func busy(_ status: Int = 503, retryAfter: Int64) -> SimulatedAnswer {
        SimulatedAnswer(status: status, headers: [("Retry-After", "\(retryAfter)")])
    }

    /// No answer, for such a reason.
    package static func fails(_ fault: Fault, status: Int = 200) -> SimulatedAnswer {
        SimulatedAnswer(status: status, fault: fault)
    }

    /// The same answer after such a time.
    package func after(_ latency: TimeSpan) -> SimulatedAnswer {
        var answer = self
        answer.latency = latency
        return answer
    }
}

extension SimulatedAnswer: CustomStringConvertible {
    /// In a few words, for traces.
    package var description: String {
        var words = fault.map { "\($0)" } ?? "\(status), \(body.count) bytes"
        for (name, value) in headers { words += ", \(name): \(value)" }
        if let latency { words += ", after \(latency)" }
        return words
    }
}
