// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import NIOCore
import PerchMetastore
import PerchSDK
import Synchronization

/// What the server answers: decides on a head whether its body is wanted, and serves the request when it is whole.
final class EventAPI: Sendable {
    /// What the server is about to do. One that drains serves as ever, and asks to be left: `/ready` says so, and connections
    /// end with their next answer.
    enum Stage: String, Sendable { case starting, ready, draining, stopping }

    let limits: APILimits
    let clock: any PerchClock
    let refusals: RefusalLog
    /// Who knows how the role of this process stands.
    let desk: HealthDesk
    let access: AccessControl
    /// Nil where no events are taken.
    private let intake: EventIntake?
    /// Nil where nothing is served behind `/api/v2`.
    private let rest: RESTAPI?
    private let login: LoginDesk
    /// How many events each token may send; nil: any number.
    private let rate: EventRate?
    /// Whether it is reached over encrypted connections alone.
    let isSecure: Bool
    /// Nil where no deliveries of other services are taken.
    private let hooks: HookDesk?
    /// Nil where there are no pages.
    private let pages: PageAPI?
    private let metrics: @Sendable () async -> String?
    private let proxies: TrustedProxies
    private let current = Mutex(Stage.starting)

    init(
        limits: APILimits, access: AccessControl, intake: EventIntake?, rest: RESTAPI?, pages: PageAPI?,
        login: LoginDesk, desk: HealthDesk, hooks: HookDesk? = nil, proxies: TrustedProxies = TrustedProxies(),
        metrics: @escaping @Sendable () async -> String?, clock: any PerchClock, refusals: RefusalLog
    ) {
        self.limits = limits
        self.access = access
        self.intake = intake
        self.rest = rest
        self.login = login
        isSecure = login.isSecure
        rate = limits.eventRate.map { EventRate($0) }
        self.pages = pages
        self.desk = desk
        self.hooks = hooks
        self.proxies = proxies
        self.metrics = metrics
        self.clock = clock
        self.refusals = refusals
    }

    var stage: Stage {
        get { current.withLock { $0 } }
        set { current.withLock { $0 = newValue } }
    }

    var takesEvents: Bool { intake != nil }

    /// Whether events have waited too long to become durable.
    var isBehind: Bool { intake?.isBehind ?? false }

    private func route(of head: HTTPRequest, _ target: RequestTarget) throws(Refusal) -> Route {
        try Route(method: head.method, target: target, takesEvents: takesEvents)
    }

    /// Looks up who may what, where a request asks for it and that was not done just now; nil: `admit` can decide. Gives why it
    /// cannot.
    func lookUp(for head: HTTPRequest) -> (@Sendable () async -> Refusal?)? {
        guard let register = access.register else { return nil }
        // Another server may have let in a moment ago whom this one does not know yet.
        let isUnknown = access.isUnknown(head.headerFields)
        guard isUnknown || !register.isFresh else { return nil }
        let path = head.path ?? ""
        guard !path.hasPrefix("/health"), !path.hasPrefix("/ready") else { return nil }
        return {
            do throws(Refusal) {
                try await register.refresh(evenIfFresh: isUnknown)
                return nil
            } catch {
                return error
            }
        }
    }

    /// So many bytes of a body are wanted.
    /// - Throws: `Refusal` where no body would change the answer.
    func admit(_ head: HTTPRequest) throws(Refusal) -> Int {
        let target = try RequestTarget(head.path ?? "")
        let name: String?
        switch try route(of: head, target) {
        case .health, .ready: return 0
        case .metrics:
            try access.admitReader(head.headerFields)
            return 0
        case .login, .logout:
            try checkStanding(isRead: head.method != .post)
            guard head.method == .post else { return 0 }
            try LoginDesk.checkForm(head.headerFields)
            return LoginDesk.most
        case .rest(let match):
            guard let rest else { return 0 }
            let wanted = try rest.admit(head, match, target)
            try checkStanding(isRead: match.endpoint.method == .get)
            return wanted
        case .hook(let hook):
            try admit(hook: hook, head, target)
            return limits.eventBytes
        case .page(let match):
            guard let pages else { return 0 }
            let wanted = try pages.admit(head, match)
            if !match.route.isPublic { try checkStanding(isRead: match.route.method == .get) }
            return wanted
        case .events(let named): name = named
        }
        try access.admit(head.headerFields, host: head.authority)
        try checkStanding(isRead: false)
        let form = try EventForm(head.headerFields, name: name)
        _ = try EventReader(name: name, form: form, target: target, fields: head.headerFields, limits: limits)
        return form.isBatch ? limits.batchBytes : limits.eventBytes
    }

    private func admit(hook name: String, _ head: HTTPRequest, _ target: RequestTarget) throws(Refusal) {
        guard let hooks else { throw .unavailable("no deliveries are taken here", after: 60) }
        if let stray = target.parameters.first {
            throw Refusal(
                .badRequest, "invalid_request", "a hook takes no parameters, and no '\(stray.name.shown(40))' either")
        }
        try hooks.admit(name, head.headerFields, now: clock.now)
        try checkStanding(isRead: false)
    }

    /// A delivery becomes an event, durable before the answer.
    private func deliver(
        to name: String, _ head: HTTPRequest, _ body: ByteBuffer
    ) async throws(Refusal) -> APIAnswer {
        guard let hooks, let intake else { throw .unavailable("no deliveries are taken here", after: 60) }
        let secrets = try await hooks.secrets(of: name)
        let outcome = try body.withUnsafeReadableBytes { bytes throws(Refusal) in
            try hooks.outcome(name, head.headerFields, body: bytes, secrets: secrets, now: clock.now)
        }
        switch outcome {
        case .answer(let document): return APIAnswer(.ok, document)
        case .event(let event): return Self.answer(try await intake.take([event]), .one)
        }
    }

    /// Who has sent a request that came on a connection of `peer`.
    func sender(of head: HTTPRequest?, on peer: String) -> String {
        guard let head else { return peer }
        return proxies.sender(on: peer, head.headerFields)
    }

    /// - Throws: `Refusal` while the engine starts, and, for what would be stored, while the metastore is behind.
    private func checkStanding(isRead: Bool) throws(Refusal) {
        guard stage != .starting else {
            throw .unavailable("the engine is starting; nothing was taken", after: 1)
        }
        guard isRead || !isBehind else {
            throw .unavailable("the metastore is behind; nothing was taken", after: 5)
        }
    }

    /// Serves a whole request, of a connection on `loop`.
    /// - Parameter sender: The other side's address.
    func respond(
        to head: HTTPRequest, body: ByteBuffer, on loop: any EventLoop, from sender: String
    ) async throws(Refusal) -> APIAnswer {
        let target = try RequestTarget(head.path ?? "")
        // The body may have taken its time.
        if let refusal = await lookUp(for: head)?() { throw refusal }
        switch try route(of: head, target) {
        case .health: return await health(on: loop)
        case .ready: return await ready(on: loop)
        case .metrics:
            guard let text = await metrics() else { throw .unavailable("there are no metrics here yet", after: 1) }
            return APIAnswer(.ok, type: "text/plain; version=0.0.4; charset=utf-8", body: Array(text.utf8))
        case .login where head.method != .post: return login.page(target, head.headerFields)
        case .login:
            let form = try Self.form(body)
            return try await serving { try await self.login.logIn(form, head, from: sender) }
        case .logout:
            let form = try Self.form(body)
            return try await serving { try await self.login.logOut(form, head) }
        case .rest(let match):
            await access.note(head.headerFields)
            guard let rest else { throw .unavailable("nothing is served here behind /api/v2", after: 60) }
            return try await rest.respond(to: head, match, target, body: body, on: loop)
        case .page(let match):
            guard let pages else { throw .unavailable("there are no pages here", after: 60) }
            return try await pages.respond(to: head, match, target, body: body)
        case .hook(let name): return try await deliver(to: name, head, body)
        case .events(let name):
            guard let intake else { throw .unavailable("no events are taken here", after: 60) }
            try access.admit(head.headerFields, host: head.authority)
            await access.note(head.headerFields)
            try body.withUnsafeReadableBytes { bytes throws(Refusal) in
                try access.verify(head.headerFields, body: bytes, now: clock.now)
            }
            let form = try EventForm(head.headerFields, name: name)
            let reader = try EventReader(
                name: name, form: form, target: target, fields: head.headerFields, limits: limits)
            var events = try body.withUnsafeReadableBytes { bytes throws(Refusal) in try reader.events(in: bytes) }
            if let traceparent = head.headerFields[.traceparent] {
                // An event that names the trace in which it was made itself does not need that of the request.
                for place in events.indices where events[place].traceparent == nil {
                    events[place].traceparent = traceparent
                }
            }
            try rate?.take(events.count, for: head.headerFields, now: clock.now)
            return Self.answer(try await intake.take(events), form)
        }
    }

    /// What a form says, the last of each name.
    private static func form(_ body: ByteBuffer) throws(Refusal) -> [String: String] {
        let target = try RequestTarget("/?" + String(buffer: body))
        return Dictionary(target.parameters.map { ($0.name, $0.value) }) { _, last in last }
    }

    /// What somebody asks for who logs in or out; what fails of it is the metastore.
    private func serving(_ body: () async throws -> APIAnswer) async throws(Refusal) -> APIAnswer {
        do {
            return try await body()
        } catch let refusal as Refusal {
            throw refusal
        } catch {
            refusals.noteFault(error)
            throw .unavailable("the metastore refused, as the engine's log says", after: 5)
        }
    }

    /// A line for each event of a batch, as the socket in the home gives it; for one event the same as a document.
    private static func answer(_ events: [AcceptedEvent], _ form: EventForm) -> APIAnswer {
        var body: [UInt8] = []
        for event in events { body += Array((EventLine.answer(event) + "\n").utf8) }
        return APIAnswer(.accepted, type: form.isBatch ? "application/x-ndjson" : "application/json", body: body)
    }
}
