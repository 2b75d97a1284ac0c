import { GatewayError } from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import { CallStop, CutOff } from './cut-off.ts';

const left = new GatewayError('client_closed', 'The client left.');
const late = new GatewayError('deadline_exceeded', 'It took too long.');
const unstopped = { onStop: () => undefined };

describe('CutOff', () => {
  test('stops a call with the reason of its caller', () => {
    const stops: ((reason: GatewayError) => void)[] = [];
    const cutOff = new CutOff(new AbortController().signal);
    const stop = cutOff.enter({ onStop: (listener) => stops.push(listener) });
    expect(stop.aborted).toBe(false);
    for (const listener of stops) listener(left);
    expect(stop.aborted).toBe(true);
    expect(stop.reason).toBe(left);
  });

  test('stops what runs and what comes later when the worker ends', () => {
    const ending = new AbortController();
    const cutOff = new CutOff(ending.signal);
    const running = cutOff.enter(unstopped);
    ending.abort();
    const later = cutOff.enter(unstopped);
    for (const { reason } of [running, later]) {
      expect(reason).toMatchObject({ code: 'shutting_down' });
    }
  });

  test('knows a worker and a call that have ended before', () => {
    const ended = new CutOff(AbortSignal.abort()).enter(unstopped);
    expect(ended.reason).toMatchObject({ code: 'shutting_down' });
    const cutOff = new CutOff(new AbortController().signal);
    const cancelled = cutOff.enter({ onStop: (listener) => listener(left) });
    expect(cancelled.reason).toBe(left);
  });

  test('leaves a call alone that is over', () => {
    const ending = new AbortController();
    const cutOff = new CutOff(ending.signal);
    const stop = cutOff.enter(unstopped);
    cutOff.leave(stop);
    ending.abort();
    expect(stop.aborted).toBe(false);
  });
});

describe('CallStop', () => {
  test('tells each listener that is still there once, and keeps its first reason', () => {
    const stop = new CallStop();
    const told: string[] = [];
    const removed = () => told.push('removed');
    const leaving = () => {
      told.push('leaving');
      stop.removeEventListener('abort', leaving);
    };
    for (const listener of [removed, leaving, () => told.push('last')]) {
      stop.addEventListener('abort', listener);
    }
    stop.removeEventListener('abort', removed);
    stop.stop(left);
    stop.stop(late);
    expect(told).toEqual(['leaving', 'last']);
    expect(stop.reason).toBe(left);
  });
});
