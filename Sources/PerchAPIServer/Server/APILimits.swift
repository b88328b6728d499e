// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// How much of anything the API server takes, and for how long it waits.
package struct APILimits: Sendable {
    /// Connections at a time; for a further one the one that has kept the server waiting for longest is closed.
    package var connections = 256
    /// Bytes of all bodies that are being received or stored.
    package var heldBytes = 64 << 20
    /// Bytes of all answers that were not taken yet; for more the one that was left lying for longest is given up.
    package var untakenBytes = 128 << 20
    /// Bytes of the body of one event.
    package var eventBytes = 1 << 20
    /// Bytes of the body of a batch; a line of it may have as many as one event.
    package var batchBytes = 8 << 20
    /// Lines of a batch: it goes in in one transaction.
    package var batchLines = 5_000
    /// Connections that listen to news, beside the others.
    package var streams = 500
    /// Bytes of a form that a page sends.
    package var formBytes = 64 << 10
    /// Bytes of a request's head.
    package var headBytes = 16 << 10

    /// From a connection's start, or the last answer, to the next whole head.
    package var headTime = TimeSpan.seconds(30)
    /// From there to the end of the body.
    package var bodyTime = TimeSpan.seconds(30)
    /// From there until the answer has been taken; of news, between two times that some of it is.
    package var answerTime = TimeSpan.seconds(60)
    /// Between two signs of life to one who listens to news.
    package var heartbeatTime = TimeSpan.seconds(15)
    /// What is left of a request when the server stops.
    package var stopTime = TimeSpan.seconds(2)
    /// Between the last byte of the last answer and the end of the connection.
    package var lingerTime = TimeSpan.seconds(1)

    /// While the oldest commit under way is older, no more is taken.
    package var commitTime = TimeSpan.seconds(5)
    /// Events a second of one token; nil: any number.
    package var eventRate: Int?
    /// The power of two of how many rounds a new password is hashed with; fewer are for tests.
    package var passwordCost = 15
    /// How far a signature's time may be from the clock.
    package var signatureTime = TimeSpan.seconds(300)

    /// What holds where nothing else is said.
    package init() {}
}
