// SPDX-License-Identifier: Apache-2.0

package import PerchMetastore
package import PerchSDK

/// What the API needs beside the metastore: told by whoever starts the server, for the API server knows no other part.
package struct APISurroundings: Sendable {
    /// A place in a log.
    package struct LogPlace: Sendable, Hashable {
        /// So many lines come before it.
        package var line: Int
        /// At which byte of what the code has said the next line begins, where that is known: it is found by that without a look
        /// at what comes before.
        package var byte: Int64?

        /// A place from its parts.
        package init(line: Int, byte: Int64? = nil) {
            self.line = line
            self.byte = byte
        }
    }

    /// Where a page of a log begins.
    package enum LogStart: Sendable, Hashable {
        case behind(LogPlace)
        /// So that it ends with the log. No more is looked at than is near the end.
        case newest
    }

    /// Some lines of a log, and whether more follow.
    package struct LogPage: Sendable {
        package var lines: [String]
        package var hasMore: Bool
        /// The number of its first line, from 1; nil where what comes before was not looked at.
        package var first: Int?
        /// Where the next page begins.
        package var next: LogPlace?
        /// About so many bytes of lines make a page end, however few lines that are.
        package static let mostBytes = 4 << 20

        /// A page from its parts.
        package init(lines: [String], hasMore: Bool, first: Int? = nil, next: LogPlace? = nil) {
            self.lines = lines
            self.hasMore = hasMore
            self.first = first
            self.next = next
        }
    }

    /// The version of the program.
    package var version = "unknown"
    /// What the triggerer that watches a wait says of it at this moment; nil where none answers. An error is no answer either.
    package var explain: @Sendable (_ waitID: Int64) async throws -> WaitExplanation? = { _ in nil }
    /// The event that a wait gets which is fired by hand, given what the person says has come.
    package var handMadeEvent:
        @Sendable (_ wait: WaitRow, _ payload: JSONValue?, _ now: Timestamp) throws -> JSONValue =
            { _, payload, _ in payload ?? .null }
    /// Lines of the log of a try, from a place on, at most so many, and bounded by `LogPage.mostBytes`; nil where the try
    /// has no log.
    package var log:
        @Sendable (_ key: TaskInstanceKey, _ tryNumber: Int, _ start: LogStart, _ limit: Int) async throws -> LogPage? =
            { _, _, _, _ in nil }
    /// Who runs commands that come over HTTP; nil: nobody.
    package var commands: (any CommandDesk)?
    /// Finds what is secret; nil where nothing is kept.
    package var secrets: (any SecretDesk)?
    /// Seals what is secret; nil where there is no key.
    package var seal: (@Sendable (_ text: String, _ name: SecretName) throws -> SealedValue)?
    /// Opens what was sealed, to seal a part of it anew; it is never told. Nil where there is no key.
    package var unseal: (@Sendable (_ value: SealedValue, _ name: SecretName) throws -> String)?

    /// Where nothing is known.
    package init() {}
}
