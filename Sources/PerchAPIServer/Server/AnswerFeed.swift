// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// What is written instead of a body, piece by piece: the next is asked for when the connection can take it.
protocol AnswerFeed: AsyncSequence, Sendable where Element == ByteBuffer, Failure == Never {
    /// The connection has ended. Said also of one that was read to its end.
    func leave()
}
