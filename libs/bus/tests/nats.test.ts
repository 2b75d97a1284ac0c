import { busContract } from './contract/contract-suite.ts';
import { openNatsFixture } from './nats-fixture.ts';

busContract('the bus over nats-server', openNatsFixture);
