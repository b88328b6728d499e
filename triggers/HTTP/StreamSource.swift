// SPDX-License-Identifier: Apache-2.0

internal import Glibc
public import PerchReactor
public import PerchSDK

/// Listens to every `text/event-stream` that is waited for: one connection for all waits of the same request.
///
/// The files of the source: this one keeps the waits, `+Connection` holds the connections and judges events.
public final class StreamSource: TriggerSource {
    /// What may be set.
    public struct Options: Sendable {
        /// The longest event that is taken, in bytes.
        public var eventLimit = 1_048_576
        /// The longest time between two connections that bring nothing.
        public var longestBackOff: Duration = .seconds(300)
        /// A connection that is silent for so long is taken for dead.
        public var longestSilence: Duration = .seconds(600)
        /// How often the last id is stored while events come.
        public var storeEvery: Duration = .seconds(5)

        /// The defaults.
        public init() {}
    }

    struct Wait {
        var channel: StreamChannel
        var wish: StreamChannel.Wish
    }

    let loop: any EventLoop
    let report: (SourceReport) -> Void
    let options: Options
    private let environment: (String) -> String?
    private let secrets: any SecretResolver
    var transport: (any HTTPTransport)?
    private(set) var waits: [Int64: Wait] = [:]
    private var channels: [StreamKey: [StreamChannel]] = [:]
    private var channelCount = 0

    /// A source on a loop's thread.
    public convenience init(
        loop: any EventLoop, options: Options = Options(), environment: ((String) -> String?)? = nil,
        report: @escaping (SourceReport) -> Void
    ) {
        self.init(loop: loop, options: options, environment: environment, secrets: nil, report: report)
    }

    /// A source whose references to secrets are looked up elsewhere than in the environment.
    package convenience init(
        loop: any EventLoop, options: Options = Options(), environment: ((String) -> String?)? = nil,
        secrets: (any SecretResolver)?, report: @escaping (SourceReport) -> Void
    ) {
        var transport: CurlMulti?
        do {
            transport = try CurlMulti(loop: loop, connections: 64)
        } catch {  // because nobody can be told before the first wait comes, and that one is broken with the reason
            transport = nil
        }
        self.init(
            loop: loop, options: options,
            environment: environment ?? { name in getenv(name).map { String(cString: $0) } }, secrets: secrets,
            transport: transport, report: report)
    }

    /// A source whose requests go another way than through libcurl.
    package init(
        loop: any EventLoop, options: Options = Options(), environment: @escaping (String) -> String?,
        secrets: (any SecretResolver)? = nil, transport: (any HTTPTransport)?, report: @escaping (SourceReport) -> Void
    ) {
        self.loop = loop
        self.report = report
        self.options = options
        self.environment = environment
        self.secrets = secrets ?? EnvironmentSecrets(environment: environment)
        self.transport = transport
    }

    public var kinds: [String] { [StreamTrigger.kind] }

    public func add(_ added: [ArmedWait]) {
        for wait in added {
            do {
                try add(wait)
            } catch {
                report(
                    .broken(
                        waitID: wait.waitID,
                        message: "the wait for a stream at \(HTTPAddress.shown(wait.target)): \(error)"))
            }
        }
    }

    private func add(_ wait: ArmedWait) throws {
        guard transport != nil else { throw PerchError(.unavailable, "libcurl cannot be set up") }
        let trigger = try wait.definition.decode(StreamTrigger.self)
        if let problem = trigger.problems.first { throw PerchError(.invalid, problem) }
        remove(wait.waitID)
        var resume: String?
        if case .string(let id) = wait.progress?["last_id"] { resume = id }
        let key = StreamKey(trigger)
        // One that stopped elsewhere in the stream has to hear from there on.
        let known = channels[key]?.first { resume == nil || $0.lastID == resume }
        let channel = try known ?? makeChannel(key, wait.target, resume ?? "")
        let wish = StreamChannel.Wish(event: trigger.event, condition: trigger.condition)
        channel.waits[wish, default: []].insert(wait.waitID)
        channel.count += 1
        waits[wait.waitID] = Wait(channel: channel, wish: wish)
        guard known == nil else {
            // After a restart it goes on from where the stream was when it came.
            if resume == nil, !channel.lastID.isEmpty {
                report(.progressed(waitID: wait.waitID, progress: .object(["last_id": .string(channel.lastID)])))
            }
            return
        }
        channels[key, default: []].append(channel)
        channelCount += 1
        // Streams that are armed together are not all connected to in one instant.
        let spread = Int64(min(channelCount, 10_000)) * 1_000
        connect(channel, at: loop.now + (channelCount > 16 ? loop.random(in: 0...spread) : 0))
    }

    private func makeChannel(_ key: StreamKey, _ target: String, _ lastID: String) throws -> StreamChannel {
        let headers = try HTTPHeaderValue.filled(key.headers, environment: environment, secrets: secrets)
        return StreamChannel(key: key, headers: headers, target: target, lastID: lastID)
    }

    public func remove(_ waitID: Int64) {
        guard let wait = waits.removeValue(forKey: waitID) else { return }
        let channel = wait.channel
        channel.waits[wait.wish]?.remove(waitID)
        if channel.waits[wait.wish]?.isEmpty == true { channel.waits[wait.wish] = nil }
        channel.count -= 1
        guard channel.count == 0 else { return }
        channels[channel.key]?.removeAll { $0 === channel }
        if channels[channel.key]?.isEmpty == true { channels[channel.key] = nil }
        channelCount -= 1
        close(channel)
    }

    public func explain(_ waitID: Int64) -> WaitExplanation? {
        guard let wait = waits[waitID] else { return nil }
        let channel = wait.channel
        let name = wait.wish.event.map { "an event '\($0.shown(100))'" } ?? "any event"
        let condition = wait.wish.condition.map { " whose data meets: \($0.description)" } ?? ""
        var sentences = ["Listens to \(HTTPAddress.shown(channel.key.url)) until \(name)\(condition)."]
        if channel.count > 1 { sentences.append("\(channel.count) waits share the connection.") }
        if let proxy = channel.key.proxy { sentences.append("It goes by the proxy \(HTTPAddress.shown(proxy)).") }
        sentences.append("Connected \(channel.connections) times, \(channel.events) events: \(channel.lastResult).")
        if !channel.lastID.isEmpty { sentences.append("The last event's id is '\(channel.lastID.shown(100))'.") }
        if let next = channel.nextAt {
            sentences.append("It is connected to again at \(Timestamp(microseconds: next)).")
        }
        if channel.failures > 1 {
            sentences.append("\(channel.failures) connections in a row brought nothing, so they are further apart.")
        }
        return WaitExplanation(sentences: sentences, probe: state(of: channel), sharing: channel.count)
    }

    func state(of channel: StreamChannel) -> ProbeState {
        ProbeState(
            kind: StreamTrigger.kind, target: channel.target,
            lastProbeAt: channel.heardAt > 0 ? Timestamp(microseconds: channel.heardAt) : nil,
            nextProbeAt: channel.nextAt.map { Timestamp(microseconds: $0) }, lastResult: channel.lastResult,
            probes: channel.connections)
    }

    public var gauges: [(name: String, value: Int)] {
        [("stream_waits", waits.count), ("streams", channelCount)]
    }

    public func shutDown() {
        for list in channels.values { for channel in list { close(channel) } }
        transport?.close()
        transport = nil
        waits = [:]
        channels = [:]
        channelCount = 0
    }
}
