// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import Foundation
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

let log = Target.Dependency.product(name: "Logging", package: "swift-log")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let metrics = Target.Dependency.product(name: "CoreMetrics", package: "swift-metrics")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let sqlite = Target.Dependency.product(name: "GRDBSQLite", package: "GRDB.swift")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
/// What the API server alone imports: nothing else of the package builds or links the web.
let web: [Target.Dependency] = [
    .product(name: "Crypto", package: "swift-crypto"),
    .product(name: "CryptoExtras", package: "swift-crypto"),
    .product(name: "HTTPTypes", package: "swift-http-types"),
    .product(name: "HummingbirdCore", package: "hummingbird"),
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOHTTP1", package: "swift-nio"),
    .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
    .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOSSL", package: "swift-nio-ssl"),
]

/// The families of waits: what a user writes, and the source that the triggerer runs.
let triggers: [Target.Dependency] = [
    "PerchTriggersTime", "PerchTriggersFile", "PerchTriggersHTTP", "PerchTriggersEvent", "PerchTriggersRun",
    "PerchTriggersApproval", "PerchTriggersAsync", "PerchTriggersProcess", "PerchTriggersSocket",
    "PerchTriggersSQL", "PerchTriggersComposite",
]

func room(
    _ name: String, _ dependencies: [Target.Dependency] = [], path: String? = nil, exclude: [String] = []
) -> Target {
    .target(name: name, dependencies: dependencies, path: path, exclude: exclude, swiftSettings: settings)
}

func program(_ name: String, _ dependencies: [Target.Dependency], path: String? = nil) -> Target {
    .executableTarget(name: name, dependencies: dependencies, path: path, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: settings)
}

let package = Package(
    name: "Perch",
    products: [
        .library(name: "Perch", targets: ["Perch"]),
        .executable(name: "perch", targets: ["perch"]),
        .library(name: "PerchTesting", targets: ["PerchTesting"]),
        .executable(name: "perch-bench", targets: ["perch-bench"]),
        .executable(name: "perch-simulate", targets: ["perch-simulate"]),
        .executable(name: "quickstart", targets: ["quickstart"]),
        .executable(name: "custom-operator", targets: ["custom-operator"]),
        .executable(name: "waits", targets: ["waits"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.34.1"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .target(name: "CLinux"),
        .target(name: "CSQLite", dependencies: [sqlite]),

        room("PerchSDK"),
        room("PerchReactor", ["CLinux"]),
        room("PerchCurl", ["PerchSDK", "PerchReactor", "CCurl"]),
        room("PerchTriggersTime", ["PerchSDK", "PerchReactor"], path: "triggers/Time", exclude: ["README.md"]),
        room(
            "PerchTriggersFile", ["PerchSDK", "PerchReactor", "CLinux"], path: "triggers/File", exclude: ["README.md"]),
        room(
            "PerchTriggersHTTP", ["PerchSDK", "PerchReactor", "PerchCurl", "CCurl"], path: "triggers/HTTP",
            exclude: ["README.md"]),
        room(
            "PerchTriggersSocket", ["PerchSDK", "PerchReactor", "PerchCurl", "CCurl", deque], path: "triggers/Socket",
            exclude: ["README.md"]),
        room(
            "PerchTriggersSQL", ["PerchSDK", "PerchReactor", "CPQ", "CLinux", sqlite, deque], path: "triggers/SQL",
            exclude: ["README.md"]),
        room("PerchTriggersEvent", ["PerchSDK"], path: "triggers/Event", exclude: ["README.md"]),
        room(
            "PerchTriggersComposite", ["PerchSDK", "PerchReactor"], path: "triggers/Composite", exclude: ["README.md"]),
        room("PerchTriggersApproval", ["PerchSDK"], path: "triggers/Approval", exclude: ["README.md"]),
        room("PerchTriggersAsync", ["PerchSDK"], path: "triggers/Async", exclude: ["README.md"]),
        room("PerchTriggersRun", ["PerchSDK"], path: "triggers/Run", exclude: ["README.md"]),
        room(
            "PerchTriggersProcess", ["PerchSDK", "PerchReactor", "CLinux"], path: "triggers/Process",
            exclude: ["README.md"]),
        room("PerchGraph", ["PerchSDK"]),
        room("PerchMetrics", [metrics]),
        room("PerchProcess", ["CLinux"]),
        // The second room of two that see swift-crypto.
        room("PerchVault", ["PerchSDK", "PerchProcess", .product(name: "Crypto", package: "swift-crypto")]),
        room("PerchOutputs", ["PerchSDK"]),
        room("PerchBundle", ["PerchSDK", "PerchOutputs", "CLinux"]),
        room("PerchOperators", ["PerchSDK", "PerchProcess", "PerchTriggersProcess", "CCurl", "CLinux", "CPQ", sqlite]),
        room("PerchYAML", ["PerchSDK", "PerchOperators", yams] + triggers),
        room("PerchMetastore", ["PerchSDK", "PerchOutputs", "CLinux", "CSQLite", grdb, sqlite, log]),
        // The metastore on PostgreSQL; what is SQLite's lies in the room above.
        room("PerchPostgres", ["PerchSDK", "PerchMetastore", "CPQ", "CLinux"]),
        room("PerchScheduler", ["PerchSDK", "PerchMetastore", "PerchReactor", log]),
        room(
            "PerchExecutor",
            [
                "PerchSDK", "PerchOutputs", "PerchMetastore", "PerchReactor", "PerchBundle", "PerchProcess", "CLinux",
                log,
            ]),
        room("PerchTriggerer", ["PerchSDK", "PerchMetastore", "PerchReactor", "CLinux", deque, log]),
        // Of the families of waits it knows the one that people answer.
        room("PerchAPIServer", ["PerchSDK", "PerchMetastore", "PerchGraph", "PerchTriggersApproval", log] + web),
        room(
            "PerchCLI",
            [
                "PerchSDK", "PerchBundle", "PerchOutputs", "PerchYAML", "PerchOperators", "PerchMetastore",
                "PerchScheduler", "PerchExecutor", "PerchTriggerer", "PerchReactor", "PerchAPIServer", "PerchGraph",
                "PerchMetrics", "PerchPostgres", "PerchProcess", "PerchVault", "CLinux", arguments, log,
                metrics,
            ] + triggers),
        room("Perch", ["PerchSDK", "PerchOperators", "PerchCLI"] + triggers),
        .target(name: "CSimulatedDisk", dependencies: [sqlite]),
        room(
            "PerchSimulation",
            [
                "PerchSDK", "PerchReactor", "PerchMetastore", "PerchScheduler", "PerchExecutor", "PerchTriggerer",
                "PerchBundle", "PerchOutputs", "CSimulatedDisk", sqlite, deque, log,
            ] + triggers),
        room(
            "PerchTesting",
            [
                "PerchSDK", "PerchBundle", "PerchMetastore", "PerchReactor", "PerchScheduler", "PerchExecutor",
                "PerchTriggerer", "PerchSimulation", "PerchOutputs", "PerchTriggersApproval",
            ]),
        program("perch", ["Perch"]),
        program("perch-simulate", ["PerchSimulation", arguments]),
        // It measures on a server of its own as the tests have one.
        program(
            "perch-bench",
            [
                "Perch", "PerchSDK", "PerchMetastore", "PerchPostgres", "PerchCLI", "ProgramTestSupport", "CLinux",
                "CPQ",
                arguments, sqlite,
            ]),
        program("quickstart", ["Perch"], path: "examples/quickstart"),
        program("custom-operator", ["Perch"], path: "examples/custom-operator"),
        program("waits", ["Perch"], path: "examples/waits"),

        program(
            "bundle-fixture", ["PerchSDK", "PerchBundle", "PerchOperators"], path: "Tests/Fixtures/bundle-fixture"),
        room("FuzzSupport", ["PerchSDK"], path: "Tests/FuzzSupport"),
        tests("PerchBundleTests", ["PerchBundle", "PerchOutputs", "PerchSDK", "FuzzSupport"]),
        tests("PerchOutputsTests", ["PerchOutputs", "PerchSDK"]),
        tests(
            "PerchExecutorTests",
            [
                "PerchExecutor", "PerchBundle", "PerchOutputs", "PerchMetastore", "PerchReactor", "PerchSDK", "CLinux",
                "bundle-fixture", log,
            ]),
        tests(
            "PerchOperatorsTests",
            ["PerchOperators", "PerchSDK", "PerchTriggersProcess", "ProgramTestSupport", "FuzzSupport", "CLinux"]),
        tests("PerchReactorTests", ["PerchReactor"]),
        tests("PerchVaultTests", ["PerchVault", "PerchSDK", "ProgramTestSupport"]),
        tests("PerchGraphTests", ["PerchGraph", "PerchSDK"]),
        tests("PerchMetricsTests", ["PerchMetrics", metrics]),
        tests("PerchBenchTests", ["perch-bench", "PerchSDK", "ProgramTestSupport"]),
        tests(
            "PerchMetastoreTests",
            ["PerchMetastore", "PerchPostgres", "PerchOutputs", "PerchSDK", "ProgramTestSupport"]),
        room("ProgramTestSupport", path: "Tests/ProgramTestSupport"),
        tests(
            "PerchCLITests",
            [
                "PerchCLI", "PerchAPIServer", "PerchExecutor", "PerchMetastore", "PerchReactor", "PerchSDK",
                "PerchTriggersApproval", "PerchTriggersRun", "ProgramTestSupport", "FuzzSupport", "perch",
                "trial-bundle", "faulty-bundle", "PerchMetrics", "PerchVault", log, metrics,
            ]),
        program("faulty-bundle", ["Perch"], path: "Tests/Fixtures/faulty-bundle"),
        program("trial-bundle", ["Perch"], path: "Tests/Fixtures/trial-bundle"),
        tests(
            "ExampleTests",
            [
                "PerchSDK", "Perch", "PerchTesting", "ProgramTestSupport", "quickstart", "custom-operator", "waits",
                "faulty-bundle", "perch",
            ]),
        room(
            "PerchTriggersTestSupport", ["PerchSDK", "PerchReactor"], path: "Tests/PerchTriggersTestSupport"),
        tests(
            "PerchAPIServerTests",
            [
                "PerchAPIServer", "PerchMetastore", "PerchSDK", "PerchTriggersApproval", "ProgramTestSupport",
                "FuzzSupport", log,
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ]),
        tests("PerchTriggersTimeTests", ["PerchTriggersTime", "PerchTriggersTestSupport"]),
        tests("PerchTriggersEventTests", ["PerchTriggersEvent"]),
        tests(
            "PerchTriggersCompositeTests",
            [
                "PerchTriggersComposite", "PerchTriggersTime", "PerchTriggersEvent", "PerchTriggersFile",
                "PerchTriggersTestSupport",
            ]),
        tests("PerchTriggersApprovalTests", ["PerchTriggersApproval", "PerchSDK"]),
        tests("PerchTriggersRunTests", ["PerchTriggersRun", "PerchSDK"]),
        tests("PerchTriggersFileTests", ["PerchTriggersFile", "PerchTriggersTestSupport", "FuzzSupport", "CLinux"]),
        tests("PerchTriggersHTTPTests", ["PerchTriggersHTTP", "PerchTriggersTestSupport", "FuzzSupport"]),
        tests("PerchTriggersProcessTests", ["PerchTriggersProcess", "PerchTriggersTestSupport", "PerchSDK"]),
        tests("PerchTriggersSocketTests", ["PerchTriggersSocket", "PerchTriggersTestSupport", "CLinux"]),
        tests(
            "PerchTriggersSQLTests",
            ["PerchTriggersSQL", "PerchTriggersTestSupport", "ProgramTestSupport", "CLinux", sqlite]),
        tests("PerchYAMLTests", ["PerchYAML", "PerchSDK", "FuzzSupport"] + triggers),
        tests("PerchSDKTests", ["PerchSDK", "FuzzSupport"]),
        tests(
            "PerchSimulationTests",
            [
                "PerchSimulation", "PerchMetastore", "PerchReactor", "PerchSDK", "PerchBundle", "PerchOutputs",
                "PerchExecutor", "perch-simulate", "ProgramTestSupport", "PerchTriggersTestSupport",
            ] + triggers),
        tests("PerchTestingTests", ["PerchTesting", "PerchMetastore", "Perch", "PerchSDK"] + triggers),
        tests(
            "PerchSchedulerTests",
            [
                "PerchScheduler", "PerchMetastore", "PerchPostgres", "PerchReactor", "PerchSDK", "ProgramTestSupport",
                log,
            ]),
        tests(
            "PerchTriggererTests",
            [
                "PerchTriggerer", "PerchMetastore", "PerchReactor", "PerchTriggersTime", "PerchTriggersEvent",
                "PerchTriggersFile", "PerchSDK", "FuzzSupport", "PerchTriggersTestSupport",
                log,
            ]),
    ],
    swiftLanguageModes: [.v6]
)

// The fuzzer brings its own main function and goes into no other build; CONTRIBUTING.md says how it is run.
if ProcessInfo.processInfo.environment["PERCH_LIBFUZZER"] != nil {
    package.targets.append(
        .executableTarget(
            name: "perch-fuzz",
            dependencies: ["PerchSDK", "PerchBundle", "PerchTriggersFile", "PerchTriggersHTTP", "FuzzSupport"],
            path: "Tests/LibFuzzer", swiftSettings: settings + [.unsafeFlags(["-parse-as-library"])],
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer"])]))
}
