// SPDX-License-Identifier: Apache-2.0

import NIOCore
import PerchSDK

/// What a command prints, line by line as JSON, for one connection: it runs no faster than the connection takes it, and ends with
/// it.
struct CommandFeed: AnswerFeed {
    static let contentType = "application/x-ndjson"

    let command: any StartedCommand
    /// After a silence of this length there is a sign of life.
    let heartbeat: TimeSpan
    /// Asked as often: why whoever gave it may not go on.
    let refusesNow: @Sendable () async -> Refusal?

    func makeAsyncIterator() -> Iterator { Iterator(feed: self) }

    func leave() { command.abandon() }

    struct Iterator: AsyncIteratorProtocol {
        fileprivate let feed: CommandFeed
        private var hasEnded = false
        private var asked = NIODeadline.now()

        fileprivate init(feed: CommandFeed) { self.feed = feed }

        mutating func next() async -> ByteBuffer? {
            guard !hasEnded else { return nil }
            var news = await feed.command.next(within: feed.heartbeat)
            if news == .silence || NIODeadline.now() - asked > .microseconds(feed.heartbeat.microseconds) {
                asked = .now()
                if let refusal = await feed.refusesNow() {
                    feed.command.abandon()
                    news = .failed("\(refusal.message): the command was ended")
                }
            }
            switch news {
            case .output, .errors, .silence: break
            case .ended, .failed: hasEnded = true
            }
            return ByteBuffer(string: CommandNews.resource.document(news).text + "\n")
        }
    }
}
