// SPDX-License-Identifier: Apache-2.0

import PerchReactor
import PerchSDK
import PerchSimulation
import PerchTriggersHTTP
import Testing

/// The real source of HTTP waits over simulated servers, on a loop that the test moves on.
final class HTTPSimulation {
    /// A simulated transport that a test may look at.
    final class Transport: HTTPTransport {
        let real: SimulatedTransport
        var onStart: ((HTTPRequest) -> Void)?

        init(_ real: SimulatedTransport) { self.real = real }

        func start(_ request: HTTPRequest, done: @escaping (HTTPOutcome) -> Void) throws -> any HTTPTransfer {
            onStart?(request)
            return try real.start(request, done: done)
        }

        func close() { real.close() }
        func die() { real.die() }
        var socketCount: Int { real.socketCount }
    }

    let loop: SteppedLoop
    let servers: SimulatedHTTP
    let transport: Transport
    private(set) var source: HTTPSource!  // because it reports to this object, which must be there before it
    private(set) var reports: [SourceReport] = []
    /// Called for each fire, in its instant.
    var onFire: ((Int64, JSONValue) -> Void)?

    init(
        servers: SimulatedHTTP = SimulatedHTTP(), loop: SteppedLoop = SteppedLoop(),
        options: HTTPSource.Options = .init()
    ) {
        self.loop = loop
        self.servers = servers
        transport = Transport(servers.transport(loop: loop))
        source = HTTPSource(
            loop: loop, options: options, environment: { $0 == "TOKEN" ? "s3cret" : nil }, transport: transport
        ) { [unowned self] report in
            reports.append(report)
            if case .fired(let waitID, let payload) = report { onFire?(waitID, payload) }
        }
    }

    var fired: [Int64] {
        reports.compactMap { if case .fired(let waitID, _) = $0 { waitID } else { nil } }
    }

    func payload(of waitID: Int64) -> JSONValue? {
        for case .fired(waitID, let payload) in reports { return payload }
        return nil
    }

    func gauge(_ name: String) -> Int { source.gauges.first { $0.name == name }?.value ?? -1 }

    func add(_ waits: [(Int64, HTTPTrigger)]) throws {
        source.add(
            try waits.map { waitID, trigger in
                let spec = try TriggerSpec(trigger)
                return ArmedWait(
                    waitID: waitID, kind: spec.kind, target: spec.target, definition: spec.definition,
                    since: Timestamp(microseconds: 0))
            })
    }

    /// Nothing is left of a source that was shut down.
    func end() {
        source.shutDown()
        #expect(loop.timerCount == 0)
    }
}
