// SPDX-License-Identifier: Apache-2.0

internal import CPQ
internal import PerchReactor
internal import PerchSDK

/// One connection on which a PostgreSQL server's notifications come, for all channels that waits on one database listen
/// to. What was notified while there was no connection is lost: whoever listens is told to look each time it stands.
final class PostgresListener {
    private let makeLink: () -> PostgresLink
    private let loop: any EventLoop
    private let options: SQLSource.Options
    /// Something was notified on a channel, or may have been missed there.
    private let heard: (String) -> Void

    private var link: PostgresLink?
    private var isOpen = false
    private var timer: LoopTimer?
    private var failures = 0
    /// How many waits listen to each channel.
    private var channels: [String: Int] = [:]
    /// Those that the server has been told of.
    private var told: Set<String> = []
    /// The channel that it is being told of.
    private var telling: String?
    /// Why there is no connection; nil where there is one, or a first one is being made.
    private(set) var trouble: String?

    init(
        loop: any EventLoop, options: SQLSource.Options, link: @escaping () -> PostgresLink,
        heard: @escaping (String) -> Void
    ) {
        self.loop = loop
        self.options = options
        self.heard = heard
        makeLink = link
    }

    func listen(_ channel: String) {
        channels[channel, default: 0] += 1
        if link == nil, timer == nil { connect() } else { tell() }
    }

    func unlisten(_ channel: String) {
        guard let count = channels[channel] else { return }
        channels[channel] = count == 1 ? nil : count - 1
        if channels.isEmpty { disconnect() } else { tell() }
    }

    private func connect() {
        let link = makeLink()
        self.link = link
        told = []
        telling = nil
        link.onLost = { [weak self] words in self?.lost(words) }
        link.open(timeout: TimeSpan(options.connectTimeout).microseconds) { [weak self, weak link] words in
            guard let self, let link, link === self.link else { return }
            if let words { return lost(words) }
            isOpen = true
            trouble = nil
            link.onRead = { [weak self] in self?.read() }
            tell()
        }
    }

    /// Tells the server of one channel that it does not know to be listened to, or no longer to be.
    private func tell() {
        guard isOpen, telling == nil, let connection = link?.connection else { return }
        let text: String
        if let channel = channels.keys.first(where: { !told.contains($0) }) {
            told.insert(channel)
            telling = channel
            text = "LISTEN \(Self.quoted(channel))"
        } else if let channel = told.first(where: { channels[$0] == nil }) {
            told.remove(channel)
            telling = channel
            text = "UNLISTEN \(Self.quoted(channel))"
        } else {
            failures = 0
            return
        }
        if PQsendQuery(connection, text) == 1 { link?.flush() } else { link?.fail("LISTEN cannot be sent") }
    }

    static func quoted(_ name: String) -> String { "\"" + name.replacing("\"", with: "\"\"") + "\"" }

    private func read() {
        while let connection = link?.connection, let channel = telling, PQisBusy(connection) == 0 {
            guard let result = PQgetResult(connection) else {
                telling = nil
                // From now on it is heard; what came before may have been missed.
                if channels[channel] != nil { heard(channel) }
                tell()
                break
            }
            defer { PQclear(result) }
            guard PQresultStatus(result) == PGRES_COMMAND_OK else {
                link?.fail(cpq_message(result).map { String(cString: $0) } ?? "LISTEN was refused")
                return
            }
        }
        while let connection = link?.connection, let notification = PQnotifies(connection) {
            let channel = String(cString: notification.pointee.relname)
            PQfreemem(notification)
            if channels[channel] != nil { heard(channel) }
        }
    }

    /// The connection is not there, or no longer: it is made anew, ever more seldom.
    private func lost(_ words: String) {
        disconnect()
        trouble = words
        let span = min(TimeSpan.seconds(1).microseconds << Int64(min(failures, 6)), 60_000_000)
        failures += 1
        timer = loop.schedule(at: loop.now + span + loop.random(in: 0...(span / 10))) { [weak self] in
            self?.timer = nil
            self?.connect()
        }
    }

    private func disconnect() {
        if let timer { loop.cancel(timer) }
        timer = nil
        link?.close()
        link = nil
        isOpen = false
        trouble = nil
    }

    func close() {
        channels = [:]
        disconnect()
    }
}
